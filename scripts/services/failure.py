"""The one error of this tool."""


class ServiceError(Exception):
    """Something keeps an engine from its work; the message says what, and what to do."""

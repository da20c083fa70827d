"""What the exceptions of the AWS SDKs mean; both raise those of botocore."""

from __future__ import annotations

from botocore.eventstream import ParserError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EventStreamError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
)
from pipelex.cogt.inference.answer_parts import is_raised_in

_CREDENTIAL_ERRORS = (
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, ClientError):
        return _of_response(error)
    if isinstance(error, _CREDENTIAL_ERRORS):
        return InferenceAuthenticationError(str(error))
    if isinstance(error, ParamValidationError):
        return InferenceRequestError(str(error))
    if isinstance(error, ParserError):  # of the binary frames of a stream
        return InferenceInvalidAnswerError(f"The stream is damaged: {error}")
    return InferenceError.from_transport(error) or _of_reading(error)


def _of_reading(error: Exception) -> InferenceError | None:
    if isinstance(error, BotoCoreError):
        return InferenceError(str(error))
    if is_raised_in(error, "botocore.parsers"):
        return InferenceInvalidAnswerError(f"The answer is not what Bedrock is documented to answer ({error})")
    return None


def _of_response(error: ClientError) -> InferenceError:
    about = error.response.get("ResponseMetadata", {})
    # an error inside a stream has the status 400 whatever it is: its code says more
    status = None if isinstance(error, EventStreamError) else int(about.get("HTTPStatusCode", 500))
    return InferenceError.from_body(
        error.response.get("Error") or str(error),
        status_code=status,
        headers=about.get("HTTPHeaders"),
        request_id=about.get("RequestId"),
    )

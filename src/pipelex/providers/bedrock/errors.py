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
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
)

_CREDENTIAL_ERRORS = (
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
# An error inside a stream bears the status 400 whatever it is: its code tells.
_STATUS_IN_STREAM = {
    "validationexception": 400,
    "throttlingexception": 429,
    "modelstreamerrorexception": 500,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
_KIND_OF_CODE: dict[str, type[InferenceError]] = {
    "ModelErrorException": InferenceServerError,  # 424: the model failed, not the request
    "ServiceQuotaExceededException": InferenceCapacityError,  # 400
}
# AWS has one code for everything that is wrong with a request: only its words tell what.
_KIND_OF_WORDS: dict[str, type[InferenceError]] = {
    "model identifier is invalid": InferenceModelNotFoundError,
    "input is too long": InferenceCapacityError,
}


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

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
    named = InferenceError.from_transport(error)
    if named is None and isinstance(error, BotoCoreError):
        return InferenceError(str(error))
    return named


def _of_response(error: ClientError) -> InferenceError:
    said = error.response.get("Error", {})
    about = error.response.get("ResponseMetadata", {})
    code, message = str(said.get("Code", "")), str(said.get("Message") or error)
    headers = {str(name): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
    is_in_stream = isinstance(error, EventStreamError)
    status = _STATUS_IN_STREAM.get(code.lower(), 500) if is_in_stream else int(about.get("HTTPStatusCode", 500))
    kind = _KIND_OF_CODE.get(code)
    for words, meant in _KIND_OF_WORDS.items():
        kind = meant if status == 400 and words in message.lower() else kind
    if kind is not None:
        request_id = about.get("RequestId")
        return kind(message, status_code=status, request_id=request_id)
    return InferenceError.from_status(status, message, headers=headers)

package frappems

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/frappems/frappems/internal/message"

	"github.com/frappems/frappems/store"
)

// Code is the kind of an [Error]: the name of Frappe's exception, which clients read as exc_type. It is an error itself,
// so that errors.Is(err, frappems.DoesNotExistError) asks for a kind.
type Code string

// The codes, by the HTTP status that they are answered with (see [Code.Status]). Names are Frappe's where it has one.
const (
	ValidationError              Code = "ValidationError" // 417, as those down to DocstatusTransitionError
	MandatoryError               Code = "MandatoryError"
	DataError                    Code = "DataError"
	LinkValidationError          Code = "LinkValidationError"
	CancelledLinkError           Code = "CancelledLinkError"
	LinkExistsError              Code = "LinkExistsError"
	TimestampMismatchError       Code = "TimestampMismatchError"
	UniqueValidationError        Code = "UniqueValidationError"
	CharacterLengthExceededError Code = "CharacterLengthExceededError"
	NonNegativeError             Code = "NonNegativeError"
	CannotChangeConstantError    Code = "CannotChangeConstantError"
	InvalidEmailAddressError     Code = "InvalidEmailAddressError"
	InvalidPhoneNumberError      Code = "InvalidPhoneNumberError"
	InvalidNameError             Code = "InvalidNameError"
	UpdateAfterSubmitError       Code = "UpdateAfterSubmitError"
	DocstatusTransitionError     Code = "DocstatusTransitionError"
	AuthenticationError          Code = "AuthenticationError"  // 401
	PermissionError              Code = "PermissionError"      // 403
	DoesNotExistError            Code = "DoesNotExistError"    // 404
	MethodNotAllowedError        Code = "MethodNotAllowed"     // 405
	DuplicateEntryError          Code = "DuplicateEntryError"  // 409
	NameError                    Code = "NameError"            // 409
	PreconditionFailedError      Code = "PreconditionFailed"   // 412
	RequestTooLargeError         Code = "RequestTooLargeError" // 413
	UnsupportedMediaTypeError    Code = "UnsupportedMediaType" // 415
	IdempotencyKeyError          Code = "IdempotencyKeyError"  // 422
	InternalError                Code = "InternalError"        // 500
	UnavailableError             Code = "ServiceUnavailable"   // 503
)

// Error makes a Code an error that errors.Is can look for.
func (c Code) Error() string { return string(c) }

// Status is the HTTP status of an answer with this code. Frappe gives 417 to everything that a client can correct.
func (c Code) Status() int { return cmp.Or(statuses[c], http.StatusExpectationFailed) }

var statuses = map[Code]int{
	AuthenticationError:       http.StatusUnauthorized,
	PermissionError:           http.StatusForbidden,
	DoesNotExistError:         http.StatusNotFound,
	MethodNotAllowedError:     http.StatusMethodNotAllowed,
	DuplicateEntryError:       http.StatusConflict,
	NameError:                 http.StatusConflict,
	PreconditionFailedError:   http.StatusPreconditionFailed,
	RequestTooLargeError:      http.StatusRequestEntityTooLarge,
	UnsupportedMediaTypeError: http.StatusUnsupportedMediaType,
	IdempotencyKeyError:       http.StatusUnprocessableEntity,
	InternalError:             http.StatusInternalServerError,
	UnavailableError:          http.StatusServiceUnavailable,
}

// Error is what a request failed with, told to its client in Frappe's form. Any other error that a handler returns is
// answered with 500 and a request id, and goes to the log only.
type Error struct {
	Code     Code
	Message  string    // for the user; may hold Frappe's <strong> around names
	Title    string    // of the message; "" is "Message"
	Messages []Message // instead of the one that Message makes, where the user is shown others
	// RetryAfter goes out as a header, in whole seconds. Zero: none, or one second with UnavailableError.
	RetryAfter time.Duration
	// SessionExpired tells a client whose sid cookie is dead to sign in again.
	SessionExpired bool
	// Cause is for the log, never for the client.
	Cause error
}

// Message is one entry of _server_messages: what Frappe's desk shows in a dialog.
type Message struct {
	Message   string `json:"message"`
	Title     string `json:"title"`
	Indicator string `json:"indicator,omitempty"`
	Raise     int    `json:"raise_exception,omitempty"`
}

// Error gives code and message, for the log.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is says whether target is the error's code.
func (e *Error) Is(target error) bool { return target == error(e.Code) }

// messages is what the user is shown.
func (e *Error) messages() []Message {
	if e.Messages != nil || e.Message == "" {
		return e.Messages
	}
	return []Message{{Message: e.Message, Title: cmp.Or(e.Title, "Message"), Indicator: "red", Raise: 1}}
}

// Errorf makes an error with a code and a message for the user.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a ValidationError: what a check in a hook or handler returns to refuse a document. The message is shown
// to the user as it is; with args it is a format as of fmt.Sprintf.
func Invalid(format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Code: ValidationError, Message: format}
	}
	return Errorf(ValidationError, format, args...)
}

// asError turns every error into one that can be answered: a store's that is down into UnavailableError, what nobody
// foresaw into InternalError.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return Errorf(RequestTooLargeError, "The request body is larger than %d bytes", tooBig.Limit)
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDeadlock) {
		return &Error{Code: UnavailableError, Message: "The service is busy, please try again", Cause: err}
	}
	if errors.Is(err, store.ErrValueOutOfRange) {
		return &Error{Code: DataError, Message: "A value does not fit its column", Cause: err}
	}
	return &Error{Code: InternalError, Message: "An internal error occurred", Cause: err}
}

// worded makes an [*Error] of one that is worded for the client already.
func worded(err error) error {
	if err == nil {
		return nil
	}
	var m *message.Error
	if errors.As(err, &m) {
		return &Error{Code: cmp.Or(Code(m.Type), ValidationError), Message: m.Text, Cause: m.Cause}
	}
	return err
}

func bold(s string) string       { return message.Bold(s) }
func escapeHTML(s string) string { return message.Escape(s) }
func quoteShort(s string) string { return message.Quote(s) }

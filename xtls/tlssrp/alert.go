package tlssrp

import (
	"errors"
	"fmt"
)

// AlertError is the number of an alert, RFC 5246 §7.2. An error of this package that has to do with an alert wraps it, so that
// errors.Is(err, AlertAccessDenied) holds whichever side sent it; [RemoteAlertError] and [LocalAlertError] tell who did.
type AlertError uint8

// The alerts that this package sends or has a name for.
const (
	AlertCloseNotify          AlertError = 0
	AlertUnexpectedMessage    AlertError = 10
	AlertBadRecordMAC         AlertError = 20
	AlertRecordOverflow       AlertError = 22
	AlertHandshakeFailure     AlertError = 40
	AlertBadCertificate       AlertError = 42
	AlertUnsupportedCert      AlertError = 43
	AlertCertificateExpired   AlertError = 45
	AlertUnknownCA            AlertError = 48
	AlertIllegalParameter     AlertError = 47
	AlertAccessDenied         AlertError = 49
	AlertDecodeError          AlertError = 50
	AlertDecryptError         AlertError = 51
	AlertProtocolVersion      AlertError = 70
	AlertInsufficientSecurity AlertError = 71
	AlertInternalError        AlertError = 80
	AlertUserCanceled         AlertError = 90
	AlertNoRenegotiation      AlertError = 100
	AlertUnsupportedExtension AlertError = 110
	AlertUnrecognizedName     AlertError = 112
	AlertUnknownPSKIdentity   AlertError = 115
)

// String returns the alert's name in the RFCs, such as "bad_record_mac".
func (a AlertError) String() string {
	switch a {
	case AlertCloseNotify:
		return "close_notify"
	case AlertUnexpectedMessage:
		return "unexpected_message"
	case AlertBadRecordMAC:
		return "bad_record_mac"
	case AlertRecordOverflow:
		return "record_overflow"
	case AlertHandshakeFailure:
		return "handshake_failure"
	case AlertBadCertificate:
		return "bad_certificate"
	case AlertUnsupportedCert:
		return "unsupported_certificate"
	case AlertCertificateExpired:
		return "certificate_expired"
	case AlertUnknownCA:
		return "unknown_ca"
	case AlertIllegalParameter:
		return "illegal_parameter"
	case AlertAccessDenied:
		return "access_denied"
	case AlertDecodeError:
		return "decode_error"
	case AlertDecryptError:
		return "decrypt_error"
	case AlertProtocolVersion:
		return "protocol_version"
	case AlertInsufficientSecurity:
		return "insufficient_security"
	case AlertInternalError:
		return "internal_error"
	case AlertUserCanceled:
		return "user_canceled"
	case AlertNoRenegotiation:
		return "no_renegotiation"
	case AlertUnsupportedExtension:
		return "unsupported_extension"
	case AlertUnrecognizedName:
		return "unrecognized_name"
	case AlertUnknownPSKIdentity:
		return "unknown_psk_identity"
	}
	return "unknown"
}

// Error returns the name and the number.
func (a AlertError) Error() string { return fmt.Sprintf("alert %s (%d)", a.String(), uint8(a)) }

// A RemoteAlertError is the end of a connection that the peer declared by a fatal alert.
type RemoteAlertError struct {
	Alert AlertError
}

func (e *RemoteAlertError) Error() string { return "tlssrp: peer sent " + e.Alert.Error() }

// Unwrap returns the alert.
func (e *RemoteAlertError) Unwrap() error { return e.Alert }

// A LocalAlertError is the end of a connection that this side declared, with the alert that the peer was sent.
type LocalAlertError struct {
	Alert AlertError
	Err   error // why
}

func (e *LocalAlertError) Error() string { return fmt.Sprintf("tlssrp: %v", e.Err) }

// Unwrap returns the reason and the alert.
func (e *LocalAlertError) Unwrap() []error { return []error{e.Err, e.Alert} }

// alertf is the error of a check that failed: whoever sees it at the top of a call sends the alert.
func alertf(alert AlertError, format string, args ...any) error {
	return &LocalAlertError{Alert: alert, Err: fmt.Errorf(format, args...)}
}

// ErrBadPassword says that the two sides do not share the password. A server learns it from the client's Finished, a client
// from the alert that answers its own, or from a Finished of the server that is not what it should be.
var ErrBadPassword = errors.New("wrong password")

// ErrUnknownUser is what [Config.GetVerifier] returns for a user that does not exist, and what a client gets from a server
// that says so (alert unknown_psk_identity).
var ErrUnknownUser = errors.New("unknown user")

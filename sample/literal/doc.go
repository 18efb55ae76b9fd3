// Package literal reads what rules and clients write: numbers, addresses, bytes in hexadecimal. It reads them as the
// reference does, and quotes them for messages.
//
// It must never know what a literal is for: values, patterns and formats are above it.
package literal

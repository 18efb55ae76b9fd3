// Package verdict collects what a reader of a dialect has to say about a configuration.
//
// It owns the report: each finding with its place and two verdicts, ours and the
// reference program's, bounded in number and free of bytes that could steer a
// terminal. It must never know a dialect:
// which words there are, and which program is the reference, is the reader's.
package verdict

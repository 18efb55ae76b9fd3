// Package pattern compares with the patterns of ACLs and the keys of maps: texts in whole or in part, numbers and their
// ranges, networks, regular expressions. A [Set] is filled when the configuration is read; then it answers which of its
// patterns holds a number, an address or a text.
//
// It must never know where such a value comes from: no expression, no message, no context. What a value is turned into
// before it is compared is for package sample.
package pattern

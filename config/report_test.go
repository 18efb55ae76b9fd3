package config

import (
	"bytes"
	"testing"
)

func TestReport(t *testing.T) {
	diags := []Diagnostic{
		{Pos: Position{File: "b.conf", Line: 2, Col: 2}, Severity: Error, Code: "unknown-word",
			Message: `unknown word "fo<o"`, Hint: `did you mean "foo"?`},
		{Pos: Position{File: "b.conf"}, Severity: Error, Code: "unreadable", Message: "no such file"},
		{Pos: Position{File: "a.conf", Line: 1, Col: 1}, Code: "no-effect", Message: "x"},
	}
	SortDiagnostics(diags)
	source := func(file string) []byte {
		if file == "b.conf" {
			return []byte("first\r\n\tfo<o\x1b[2J bar\r\n")
		}
		return nil
	}
	var text bytes.Buffer
	if err := WriteText(&text, diags, source); err != nil {
		t.Fatal(err)
	}
	const wantText = "a.conf:1:1: warning: x\n" +
		"b.conf: error: no such file\n" +
		"b.conf:2:2: error: unknown word \"fo<o\"; did you mean \"foo\"?\n" +
		"    \tfo<o?[2J bar\n" +
		"    \t^\n"
	if text.String() != wantText {
		t.Errorf("text:\n%s\nwant:\n%s", text.String(), wantText)
	}
	var json bytes.Buffer
	if err := WriteJSON(&json, diags[2:]); err != nil {
		t.Fatal(err)
	}
	const wantJSON = `[
  {
    "file": "b.conf",
    "line": 2,
    "col": 2,
    "severity": "error",
    "code": "unknown-word",
    "message": "unknown word \"fo<o\"",
    "hint": "did you mean \"foo\"?"
  }
]
`
	if json.String() != wantJSON {
		t.Errorf("json:\n%s\nwant:\n%s", json.String(), wantJSON)
	}
	json.Reset()
	if err := WriteJSON(&json, nil); err != nil || json.String() != "[]\n" {
		t.Errorf("no diagnostics: %q, %v", json.String(), err)
	}
	if !HasErrors(diags) || HasErrors(diags[:1]) {
		t.Error("HasErrors is wrong")
	}
}

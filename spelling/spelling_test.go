package spelling

import "testing"

func TestSlips(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"virutal_router_id", "virtual_router_id", 1}, // two exchanged
		{"interfac", "interface", 1},
		{"interfface", "interface", 1},
		{"imterface", "interface", 1},
		{"State", "state", 0},
		{"scirpt", "script", 1},
		{"abc", "xyz", 3},
		{"", "ab", 2},
	}
	for _, test := range tests {
		if got := slips(test.a, test.b, 9); got != test.want {
			t.Errorf("%s, %s: %d, want %d", test.a, test.b, got, test.want)
		}
		if got := slips(test.a, test.b, 1); got != min(test.want, 1) {
			t.Errorf("%s, %s with limit 1: %d", test.a, test.b, got)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"interface", "balance", "Balance", "mode", "node"}
	for text, want := range map[string]string{
		"blance":  "balance",
		"BALANCE": "balance", // the first of two that are as near
		"ode":     "mode",
		"abcd":    "",
		"modus":   "mode",
		"":        "",
	} {
		if got := Nearest(text, words); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Within(2, "lbel", []string{"laebl"}); got != "laebl" {
		t.Errorf("two slips: %q", got)
	}
	if got := Within(1, "lbel", []string{"laebl"}); got != "" {
		t.Errorf("two slips, one allowed: %q", got)
	}
}

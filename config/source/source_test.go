package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	if err := os.WriteFile(small, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile); err != nil {
		t.Fatal(err)
	}
	if data, err := Read(small); string(data) != "text" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := Read(large); len(data) != maxFile || err != nil {
		t.Errorf("the largest: %d, %v", len(data), err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		large:                      "has more than 16 MiB",
		filepath.Join(dir, "none"): "no such file or directory",
		dir:                        "is a directory",
		"/dev/zero":                "is not a regular file",
	} {
		if _, err := Read(name); err == nil || Reason(err).Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestOnce(t *testing.T) {
	asked := 0
	text := Once(func(name string) ([]byte, error) {
		if asked++; name == "gone" {
			return nil, errors.New("gone")
		}
		return []byte(name), nil
	})
	for range 3 {
		if string(text("a")) != "a" || text("gone") != nil {
			t.Error("another text")
		}
	}
	if asked != 2 {
		t.Errorf("read %d times, want 2", asked)
	}
}

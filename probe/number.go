package probe

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// verifyFile is FILE_CHECK: the number in the file times the weight is added to the server's
// weight; with weight 0, or at the lowest end, a number that is not 0 means it is down. A file
// that is not there, or has no number in it, counts as 0.
func verifyFile(c *config.Checker) Outcome {
	n := numberIn(c.File.Path)
	what := fmt.Sprintf("FILE_CHECK %s: %d", c.File.Name, n)
	if c.Reverse {
		n = -n
	}
	if c.FileWeight == 0 {
		if n != 0 {
			return ill(what + ".")
		}
		return well(what + ".")
	}
	add := min(max(n*int64(c.FileWeight), math.MinInt32), math.MaxInt32)
	if add == math.MinInt32 {
		return ill(what + ".")
	}
	return Outcome{OK: true, HasWeight: true, Weight: int(add), Reason: fmt.Sprintf("%s, weight %+d.", what, add)}
}

// numberIn reads the number a file begins with, as strtol(3) does, within 32 bits.
func numberIn(path string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return 0
	}
	digits := strings.TrimLeft(string(text), " \t\n\v\f\r")
	negative := strings.HasPrefix(digits, "-")
	digits = strings.TrimPrefix(strings.TrimPrefix(digits, "-"), "+")
	n := int64(0)
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' || n > math.MaxInt32 {
			break
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return min(max(n, -math.MaxInt32), math.MaxInt32)
}

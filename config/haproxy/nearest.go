package haproxy

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// nearestOf gives the word of a list nearest to text, or "" if none is near.
func nearestOf(text string, list []string) string {
	near, best := "", config.SlipsAllowed(text)+1
	for _, w := range list {
		if d := config.Slips(text, w, best); d < best {
			near, best = w, d
		}
	}
	return near
}

// didYouMean is the hint that names a word, or empty.
func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + q(near) + "?"
}

// hint gives the advice for a word unknown in p: the nearest one there, else where it is known.
func hint(p place, text string) string {
	best := config.SlipsAllowed(text) + 1
	near := ""
	for _, k := range table[p] {
		if d := config.Slips(text, k.word, best); d < best {
			near, best = k.word, d
		}
	}
	if near != "" {
		return didYouMean(near)
	}
	var homes []string
	for _, other := range places {
		if _, ok := lookup(other, text); ok && len(homes) < 3 {
			homes = append(homes, string(other))
		}
	}
	if len(homes) > 0 {
		return fmt.Sprintf("%s is known in: %s", q(text), strings.Join(homes, "; "))
	}
	return ""
}

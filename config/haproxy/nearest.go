package haproxy

import (
	"fmt"
	"strings"
)

// nearestOf gives the word of a list nearest to text, or "" if none is near.
func nearestOf(text string, list []string) string {
	near, best := "", allowance(text)+1
	for _, w := range list {
		if d := distance(text, w, best); d < best {
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
	best := allowance(text) + 1
	near := ""
	for _, k := range table[p] {
		if d := distance(text, k.word, best); d < best {
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

// allowance is how many slips of the finger a word of this length may hold.
func allowance(text string) int { return min(1+len(text)/5, 4) }

// distance counts the slips between two words (letter lost, added, wrong, or two
// exchanged), or gives limit if there are at least that many. Case is half a slip.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 {
		return limit
	}
	if strings.EqualFold(a, b) {
		return 0
	}
	var before []int
	prev, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, make([]int, len(b)+1)
	}
	return min(prev[len(b)], limit)
}

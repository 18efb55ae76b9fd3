// Package spelling finds the word that somebody meant who wrote another, and spells out what cannot be read. It knows
// no language: the words are its caller's.
package spelling

import "strings"

// Nearest gives the word of a list nearest to text, the first of them, or "" if text
// is not likely to be a slip of the finger for any.
func Nearest(text string, words []string) string { return Within(min(1+len(text)/5, 4), text, words) }

// Within is Nearest for a given number of slips.
func Within(most int, text string, words []string) string {
	near, best := "", most+1
	for _, w := range words {
		if d := slips(text, w, best); d < best {
			near, best = w, d
		}
	}
	return near
}

// slips counts the slips between two words (letter lost, added, wrong, or two
// exchanged), or gives limit if there are at least that many. Case is no slip.
func slips(a, b string, limit int) int {
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

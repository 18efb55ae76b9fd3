package config

import "strings"

// SlipsAllowed is how many slips of the finger a word of this length may hold and still be meant.
func SlipsAllowed(text string) int { return min(1+len(text)/5, 4) }

// Slips counts the slips between two words (letter lost, added, wrong, or two
// exchanged), or gives limit if there are at least that many. Case is half a slip.
func Slips(a, b string, limit int) int {
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

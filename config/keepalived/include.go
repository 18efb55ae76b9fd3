package keepalived

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// maxFiles bounds how many files one configuration may include.
const maxFiles = 10000

// isInclude reports whether word is one of the words that read further files.
// The longer forms ask Keepalived to check that something matched, which we always do.
func isInclude(word string) bool {
	switch word {
	case "include", "includea", "includeb", "includem", "includer", "includew":
		return true
	}
	return false
}

// include reads the files one include line stands for, in the order of their names.
func (l *loader) include(file string, tokens []token) []*statement {
	word := tokens[0]
	if len(tokens) != 2 || tokens[1].kind != wordToken || tokens[1].text == "" {
		l.report.Bad(word.pos, "missing-value", q(word.text)+" needs one file name or pattern", "")
		return nil
	}
	arg := tokens[1]
	pattern := arg.text
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(file), pattern)
	}
	var names []string
	for _, p := range expandBraces(pattern) {
		found, err := l.opts.Glob(p)
		if err != nil {
			l.report.Bad(arg.pos, "include", fmt.Sprintf("include %s: %v", q(arg.text), err), "")
			return nil
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		// Differs from Keepalived: an included file that is not there is an error. There
		// it is passed over, and the instances in it are then missing too.
		if hasWildcard(arg.text) {
			l.report.Warn(arg.pos, "include-empty", fmt.Sprintf("no file matches %s", q(arg.text)), "")
		} else {
			l.report.Refuse(arg.pos, "include-missing", fmt.Sprintf("included file %s does not exist", q(pattern)), "")
		}
		return nil
	}
	var list []*statement
	for _, name := range names {
		list = append(list, l.includeFile(arg, name)...)
	}
	return list
}

func (l *loader) includeFile(arg token, name string) []*statement {
	if slices.Contains(l.chain, name) {
		l.report.Bad(arg.pos, "include-circle", fmt.Sprintf("%s includes itself: %s", q(name),
			verdict.Bare(strings.Join(append(slices.Clone(l.chain), name), " -> "))), "")
		return nil
	}
	if l.read++; l.read > maxFiles || len(l.chain) > maxDepth {
		if l.read <= maxFiles+1 {
			l.report.Bad(arg.pos, "include-limit",
				fmt.Sprintf("more than %d files or %d levels are included", maxFiles, maxDepth), "")
		}
		return nil
	}
	data, err := l.opts.ReadFile(name)
	if err != nil {
		l.report.Bad(arg.pos, "include", fmt.Sprintf("included file %s: %v", q(name), source.Reason(err)), "")
		return nil
	}
	return l.tree(name, data)
}

func hasWildcard(pattern string) bool { return strings.ContainsAny(pattern, "*?[{") }

// maxPatterns bounds what {a,b}{c,d}… may grow to.
const maxPatterns = 1024

// expandBraces gives the patterns that {a,b} stands for, at most maxPatterns.
func expandBraces(pattern string) []string {
	var all []string
	rest := []string{pattern}
	for len(rest) > 0 && len(all) < maxPatterns {
		p := rest[0]
		rest = rest[1:]
		if parts := firstBraces(p); parts != nil {
			rest = append(parts, rest...)
			continue
		}
		all = append(all, p)
	}
	return all
}

// firstBraces replaces the first {a,b} of a pattern by each of its parts, or gives
// nil if there is none.
func firstBraces(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return nil
	}
	depth, from := 0, open+1
	var parts []string
	for i := open; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == ',' && depth == 1:
			parts = append(parts, pattern[from:i])
			from = i + 1
		case c == '}' && depth > 1:
			depth--
		case c == '}':
			if parts == nil {
				return nil
			}
			parts = append(parts, pattern[from:i])
			for n := range parts {
				parts[n] = pattern[:open] + parts[n] + pattern[i+1:]
			}
			return parts
		}
	}
	return nil
}

package keepalived

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
)

func (b *builder) openURL(s *statement, _ []value) { b.url = &urlDraft{tok: s.word} }

func (b *builder) closeURL(s *statement) {
	u := b.url
	b.url = nil
	if u.Path == "" {
		if !u.pathWrong {
			b.report.Bad(s.word.pos, "missing-word", "url has no path", "add a line: path /")
		}
		b.check.wrong = true
		return
	}
	if len(u.Statuses) == 0 {
		u.Statuses = [][2]int{{200, 299}}
	}
	b.check.urls = append(b.check.urls, u)
	if !u.pattern.set {
		if u.noMatch || u.options != nil || u.offsetGiven.set {
			b.report.Warn(s.word.pos, "no-effect", "words about a regex have no effect without one",
				"add a line: regex PATTERN")
			u.RegexNoMatch, u.MinOffset, u.MaxOffset = false, 0, 0
		}
		return
	}
	if u.MaxOffset > 0 && u.MaxOffset <= u.MinOffset {
		b.report.Refuse(u.offsetGiven.tok.pos, "out-of-range",
			fmt.Sprintf("no match can begin at byte %d or later and before byte %d", u.MinOffset, u.MaxOffset), "")
	}
	b.compile(u)
}

func (b *builder) setURLPath(_ *statement, v []value) {
	tok := v[0].tok
	if strings.ContainsAny(tok.text, " \t") {
		b.report.Refuse(tok.pos, "bad-value", fmt.Sprintf("path %s: a space cannot stand in a request", q(tok.text)),
			"write %20")
		b.url.pathWrong = true
		return
	}
	if b.isHeaderValue(tok) {
		b.url.Path = tok.text
	} else {
		b.url.pathWrong = true
	}
}

func (b *builder) setURLHost(_ *statement, v []value) {
	if b.isHeaderValue(v[0].tok) {
		b.url.VirtualHost = v[0].tok.text
	}
}

// setStatusCodes reads CODE and FROM-TO.
func (b *builder) setStatusCodes(s *statement, _ []value) {
	b.url.Statuses = nil
	for _, a := range s.args {
		first, last, isRange := strings.Cut(a.text, "-")
		if !isRange {
			last = first
		}
		from, ok1 := wholeNumber(first)
		to, ok2 := wholeNumber(last)
		if !ok1 || !ok2 || from < 100 || to > 599 || from > to {
			cure := ""
			if strings.Contains(a.text, ",") {
				cure = "write spaces between codes"
			}
			b.report.Bad(a.pos, "bad-value",
				fmt.Sprintf("status_code %s: must be a number from 100 to 599, or two with a - between them",
					q(a.text)), cure)
			continue
		}
		b.url.Statuses = append(b.url.Statuses, [2]int{from, to})
	}
}

func (b *builder) setDigest(_ *statement, v []value) {
	tok := v[0].tok
	sum, err := hex.DecodeString(tok.text)
	if err != nil || len(sum) != md5.Size {
		b.report.Bad(tok.pos, "bad-value",
			fmt.Sprintf("digest %s: must be an MD5 sum of 32 hexadecimal digits", q(tok.text)),
			"genhash or md5sum prints it")
		return
	}
	b.url.Digest = (*[md5.Size]byte)(sum)
}

// setRegex takes a pattern, from which one level of backslashes is taken first, as in commands.
func (b *builder) setRegex(_ *statement, v []value) {
	tok := v[0].tok
	pattern := unescape(tok.raw)
	for i := 0; i+1 < len(tok.raw); i++ {
		if tok.raw[i] != '\\' {
			continue
		}
		i++
		if strings.IndexByte("dDwWsSB", tok.raw[i]) >= 0 {
			b.report.Warn(tok.pos, "escape",
				fmt.Sprintf(`regex %s: the reader takes one backslash away, so \%c means the letter %c`, q(tok.text),
					tok.raw[i], tok.raw[i]),
				fmt.Sprintf(`write \\%c for the class`, tok.raw[i]))
			break
		}
	}
	b.url.pattern = given(pattern, tok)
}

func (b *builder) setRegexNoMatch(_ *statement, v []value) {
	b.url.noMatch = isOn(v[0])
	b.url.RegexNoMatch = b.url.noMatch
}

func (b *builder) setRegexOptions(s *statement, _ []value) { b.url.options = s.args }

func (b *builder) setRegexOffset(s *statement, v []value) {
	b.url.offsetGiven = given(v[0].n, v[0].tok)
	if s.word.text == "regex_min_offset" {
		b.url.MinOffset = v[0].n
		return
	}
	b.url.MaxOffset = v[0].n
}

// regexOptions are PCRE2's options by Keepalived's names. Those with flags change the pattern's
// flags here; idle ones are about speed, or about what RE2's syntax has not got.
var regexOptions = map[string]struct {
	set, clear syntax.Flags
	idle       bool
}{
	"caseless": {set: syntax.FoldCase}, "dotall": {set: syntax.DotNL}, "multiline": {clear: syntax.OneLine},
	"ungreedy":       {set: syntax.NonGreedy},
	"dollar_endonly": {}, "auto_callout": {idle: true}, "dupnames": {idle: true}, "no_auto_capture": {idle: true},
	"no_auto_possess":   {idle: true},
	"no_dotstar_anchor": {idle: true}, "no_start_optimize": {idle: true}, "use_offset_limit": {idle: true},
	"never_backslash_c": {idle: true},
	"never_ucp":         {idle: true}, "never_utf": {idle: true}, "utf": {idle: true},
	"match_unset_backref": {idle: true},
	"alt_verbnames":       {idle: true},
}

// otherRegexOptions are those that a pattern may need and RE2's syntax has not got.
var otherRegexOptions = []string{"allow_empty_class", "alt_bsux", "alt_circumflex", "extended", "firstline", "ucp"}

// compile makes a pattern of a url's words.
// Differs from Keepalived: patterns are in RE2's syntax, without backreferences and lookaround, so
// that none takes long, and anchors, .* and offsets do what the manual says. There they are PCRE2's; in
// 2.2.7 a pattern with ^, $ or .* never matches, nor one with regex_max_offset, and
// regex_min_offset is not looked at.
func (b *builder) compile(u *urlDraft) {
	flags, endOnly := syntax.Perl, false
	for _, o := range u.options {
		option, ok := regexOptions[o.text]
		switch {
		case ok:
			flags = flags&^option.clear | option.set
			endOnly = endOnly || o.text == "dollar_endonly"
		case slices.Contains(otherRegexOptions, o.text):
			b.report.Refuse(o.pos, "not-supported",
				fmt.Sprintf("regex option %s is known, but not supported", q(o.text)), "")
		default:
			names := append([]string(nil), otherRegexOptions...)
			for name := range regexOptions {
				names = append(names, name)
			}
			slices.Sort(names)
			b.report.Refuse(o.pos, "unknown-option", fmt.Sprintf("unknown regex option %s", q(o.text)),
				words.DidYouMean(o.text, names))
		}
	}
	tree, err := syntax.Parse(u.pattern.val, flags)
	if err != nil {
		b.badPattern(u, err)
		return
	}
	if !endOnly {
		tree = beforeLastNewline(tree)
	}
	compiled, err := regexp.Compile(tree.String())
	if err != nil {
		b.badPattern(u, err)
		return
	}
	u.Regex = compiled
}

func (b *builder) badPattern(u *urlDraft, err error) {
	b.report.Refuse(u.pattern.tok.pos, "bad-regex",
		fmt.Sprintf("regex %s: %s", q(u.pattern.val),
			verdict.Bare(strings.TrimPrefix(err.Error(), "error parsing regexp: "))), "")
}

// beforeLastNewline lets a $ that means the end of the text stand before a newline there too, as
// in PCRE.
func beforeLastNewline(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpEndText && re.Flags&syntax.WasDollar != 0 {
		newline := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\n'}}
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{
			{Op: syntax.OpQuest, Sub: []*syntax.Regexp{newline}}, {Op: syntax.OpEndText}}}
	}
	for i, sub := range re.Sub {
		re.Sub[i] = beforeLastNewline(sub)
	}
	return re
}

// finished is a copy of the checked page.
func (u *urlDraft) finished() *config.CheckURL {
	page := u.CheckURL
	return &page
}

package admin

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/proxy"
	"github.com/evenkeel/evenkeel/spelling"
)

// A filter chooses rows.
type filter struct {
	iid, sid int // -1: all
	kinds    int // of the kinds' bits; -1: all
	up       bool
	noMaint  bool
	scope    []string // names of proxies; nil: all
	part     string   // of the proxy's name, from the page's form
}

var everything = filter{iid: -1, sid: -1, kinds: -1}

func (x *filter) takes(r *proxy.Row) bool {
	switch {
	case x.iid >= 0 && r.IID != x.iid, x.kinds >= 0 && x.kinds>>r.Kind&1 == 0:
		return false
	case x.sid >= 0 && r.SID != x.sid:
		return false
	case x.part != "" && !strings.Contains(r.Proxy.Name, x.part):
		return false
	}
	if r.Kind == proxy.ServerRow {
		if x.up && !isUp(r) || x.noMaint && r.Maintenance {
			return false
		}
	}
	if x.scope == nil {
		return true
	}
	for _, name := range x.scope {
		if name == r.Proxy.Name {
			return true
		}
	}
	return false
}

// isUp reports whether a server takes requests, as far as is known.
func isUp(r *proxy.Row) bool {
	switch word, _, _ := strings.Cut(r.State, " "); word {
	case "DOWN", "MAINT":
		return false
	}
	return true
}

// rows are those a filter takes.
func (x *filter) rows(all []proxy.Row) []*proxy.Row {
	var some []*proxy.Row
	for i := range all {
		if x.takes(&all[i]) {
			some = append(some, &all[i])
		}
	}
	return some
}

// A table is a way to write rows, one after the other: what stands before and after them, and a row, n of which came
// before it.
type table struct {
	before, after string
	row           func(out []byte, r *proxy.Row, n int, describe bool) []byte
}

// forms are the tables of `show stat` and of the page.
var forms = [...]table{plain: {csvHead(), "", appendCSVRow}, typed: {"", "", appendTypedRow},
	asJSON: {"[", "]", appendJSONRow}}

// write gives all rows at once.
func (f *table) write(rows []*proxy.Row) []byte {
	out := []byte(f.before)
	for n, r := range rows {
		out = f.row(out, r, n, false)
	}
	return append(out, f.after...)
}

func csvHead() string {
	out := []byte("# ")
	for i := range fields {
		out = append(append(out, fields[i].name...), ',')
	}
	return string(append(out, '\n'))
}

// appendCSVRow writes a row the way `show stat` and ;csv do: a comma ends each line too.
func appendCSVRow(out []byte, r *proxy.Row, _ int, _ bool) []byte {
	for i := range fields {
		out = append(appendCSVValue(out, fields[i].get(r)), ',')
	}
	return append(out, '\n')
}

// appendCSVValue writes a value, in quotes where it must be.
//
// Differs from HAProxy: `show stat` writes there what a server said in its check as it came.
func appendCSVValue(out []byte, v value) []byte {
	switch v.kind {
	case 0:
		return out
	case 's':
		if !strings.ContainsAny(v.s, "\",\r\n") {
			return spelling.AppendVisible(out, v.s)
		}
		out = append(out, '"')
		out = spelling.AppendVisible(out, strings.ReplaceAll(v.s, `"`, `""`))
		return append(out, '"')
	}
	return strconv.AppendInt(out, v.n, 10)
}

// objects are the kinds of rows by the letters and words of the typed output.
var objects = map[proxy.Kind]string{proxy.FrontendRow: "Frontend", proxy.BackendRow: "Backend",
	proxy.ServerRow: "Server", proxy.ListenerRow: "Listener"}

// appendTypedRow writes one line for each value: F.2.0.4.scur.1:MGP:u32:0
func appendTypedRow(out []byte, r *proxy.Row, _ int, describe bool) []byte {
	for i := range fields {
		v := fields[i].get(r)
		if v.kind == 0 {
			continue
		}
		out = append(out, objects[r.Kind][0], '.')
		out = append(strconv.AppendInt(out, int64(r.IID), 10), '.')
		out = append(strconv.AppendInt(out, int64(r.SID), 10), '.')
		out = append(strconv.AppendInt(out, int64(i), 10), '.')
		out = append(append(out, fields[i].name...), ".1:"...)
		out = append(append(out, tagsOf(&fields[i], r)...), ':')
		out = appendTypedValue(out, v)
		if describe {
			out = append(append(append(out, `:"`...), fields[i].help...), '"')
		}
		out = append(out, '\n')
	}
	return out
}

func appendTypedValue(out []byte, v value) []byte {
	out = append(append(out, v.typeName()...), ':')
	if v.kind == 's' {
		return spelling.AppendVisible(out, v.s)
	}
	return v.appendNumber(out)
}

var origins = map[byte]string{'M': "Metric", 'S': "Status", 'K': "Key", 'C': "Config", 'P': "Product"}

var natures = map[byte]string{'G': "Gauge", 'L': "Limit", 'm': "Min", 'M': "Max", 'R': "Rate", 'C': "Counter",
	'D': "Duration",
	'A': "Age", 'T': "Time", 'N': "Name", 'O': "Output", 'a': "Avg"}

var scopes = map[byte]string{'C': "Cluster", 'P': "Process", 'S': "Service", 'Y': "System"}

// appendJSONRow writes an array of values, an element of the array of rows.
func appendJSONRow(out []byte, r *proxy.Row, n int, _ bool) []byte {
	if n > 0 {
		out = append(out, ',')
	}
	out = append(out, '[')
	first := true
	for i := range fields {
		v := fields[i].get(r)
		if v.kind == 0 {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, `{"objType":"`...), objects[r.Kind]...), `","proxyId":`...)
		out = append(strconv.AppendInt(out, int64(r.IID), 10), `,"id":`...)
		out = append(strconv.AppendInt(out, int64(r.SID), 10), ',')
		out = append(appendJSONField(out, i, fields[i].name, tagsOf(&fields[i], r), v), '}')
	}
	return append(out, ']')
}

// appendJSONField writes what a value of the statistics and one of the process have in common.
func appendJSONField(out []byte, pos int, name, tags string, v value) []byte {
	out = strconv.AppendInt(append(out, `"field":{"pos":`...), int64(pos), 10)
	out = append(append(append(out, `,"name":"`...), name...), `"},"processNum":1,"tags":{"origin":"`...)
	out = append(append(append(out, origins[tags[0]]...), `","nature":"`...), natures[tags[1]]...)
	out = append(append(append(out, `","scope":"`...), scopes[tags[2]]...), `"},"value":{"type":"`...)
	out = append(append(out, v.typeName()...), `","value":`...)
	if v.kind == 's' {
		out = appendJSONString(out, v.s)
	} else {
		out = v.appendNumber(out)
	}
	return append(out, '}')
}

// appendJSONString writes a string literal (RFC 8259 section 7). Bytes that are no UTF-8 become the replacement
// character.
func appendJSONString(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			const hex = "0123456789abcdef"
			out = append(out, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			out = append(out, string(r)...)
		}
	}
	return append(out, '"')
}

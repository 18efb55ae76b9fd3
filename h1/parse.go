package h1

// state is where Parse stands between two calls.
type state uint8

const (
	stLeading state = iota // empty lines before a request
	stLeadingLF
	stMethod
	stURI
	stVersion
	stStatus
	stReason
	stStartLF
	stLine // at the first byte of a line: a field or the end
	stName
	stBeforeValue
	stValue
	stValueLF
	stEndLF
	stDone
	stFailed
)

// lineEnd is how a request ends its lines.
type lineEnd uint8

const (
	unknownEnd lineEnd = iota
	crlf
	bareLF
)

// Parse takes all bytes of the message received so far: data begins with its first byte
// each time, may have moved, and must not have changed. Bytes seen before are not looked
// at again. n > 0: the head is complete and n bytes long. n == 0 and no error: more is
// needed. The error is an *Error, reported as soon as the offending byte is there.
func (h *Head) Parse(data []byte) (n int, err error) {
	h.data = data
	i := h.pos
	for i < len(data) && h.state < stDone {
		switch h.state {
		case stLeading, stLeadingLF:
			i = h.leading(i)
		case stMethod:
			i = h.parseMethod(i)
		case stURI:
			i = h.parseURI(i)
		case stVersion:
			i = h.parseVersion(i)
		case stStatus:
			i = h.parseStatus(i)
		case stReason:
			i = h.parseReason(i)
		case stStartLF:
			i = h.startLF(i)
		case stLine:
			i = h.line(i)
		case stName:
			i = h.parseName(i)
		case stBeforeValue:
			i = h.beforeValue(i)
		case stValue:
			i = h.parseValue(i)
		case stValueLF:
			i = h.valueLF(i)
		case stEndLF:
			i = h.endLF(i)
		}
	}
	h.pos = i
	switch h.state {
	case stDone:
		return h.length, nil
	case stFailed:
		return 0, &h.err
	}
	return 0, nil
}

// fail ends parsing. The proxy answers a request with 400 and a response with 502.
func (h *Head) fail(offset int, reason string) int {
	return h.failStatus(offset, 400, reason)
}

func (h *Head) failStatus(offset, status int, reason string) int {
	if h.kind == Response {
		status = 502
	}
	h.err = Error{Status: status, Reason: reason, Offset: offset}
	h.state = stFailed
	return offset
}

// TooLarge is the error for a head that does not fit the buffer its caller has for it.
func (h *Head) TooLarge() error {
	h.fail(h.pos, "head too large")
	return &h.err
}

// leading skips empty lines before the start line (RFC 9112 §2.2). HAProxy does so for
// responses, too.
func (h *Head) leading(i int) int {
	switch c := h.data[i]; {
	case c == '\n':
		h.state = stLeading
		return i + 1
	case h.state == stLeadingLF:
		return h.fail(i, "CR without LF")
	case c == '\r':
		h.state = stLeadingLF
		return i + 1
	}
	h.mark = i
	h.state = stMethod
	if h.kind == Response {
		h.state = stVersion
	}
	return i
}

func (h *Head) parseMethod(i int) int {
	b := h.data
	for ; i < len(b); i++ {
		if class[b[i]]&isToken != 0 {
			continue
		}
		switch {
		case b[i] != ' ':
			return h.fail(i, "invalid byte in method")
		case i == h.mark:
			return h.fail(i, "no method")
		case string(b[h.mark:i]) == "PRI": // RFC 9113 §3.4
			return h.fail(i, "HTTP/2 preface")
		}
		h.method = span{int32(h.mark), int32(i - h.mark)}
		h.methodID = methodOf(b[h.mark:i])
		h.state = stURI
		h.mark = i + 1
		return i + 1
	}
	return i
}

// parseURI reads the request target.
// Differs from HAProxy: it accepts several spaces, and tabs, between the parts of the
// start line. RFC 9112 §3 has one space; who else reads the line may not agree.
func (h *Head) parseURI(i int) int {
	i = targetEnd(h.data, i)
	if i == len(h.data) {
		return i
	}
	switch c := h.data[i]; {
	case c == ' ' && i == h.mark:
		return h.fail(i, "more than one space after method")
	case c == '\r' || c == '\n':
		return h.fail(i, "no HTTP version")
	case c != ' ':
		return h.fail(i, "invalid byte in request target")
	}
	h.uri = span{int32(h.mark), int32(i - h.mark)}
	if at, reason := checkTarget(h.data[h.mark:i], h.methodID); reason != "" {
		return h.fail(h.mark+at, reason)
	}
	h.state = stVersion
	h.mark = i + 1
	return i + 1
}

const versionText = "HTTP/1."

// parseVersion reads "HTTP/1.x" and the byte after it, of requests and responses.
// Differs from HAProxy: it accepts any version d.d and passes all above 1.0 on as 1.1;
// only major version 1 has this syntax.
func (h *Head) parseVersion(i int) int {
	b := h.data
	for ; i < len(b); i++ {
		c, at := b[i], i-h.mark
		switch {
		case at < len(versionText):
			if c != versionText[at] {
				return h.badVersion(i, at)
			}
		case at == len(versionText):
			if !digit(c) {
				return h.badVersion(i, at)
			}
			h.minor = c - '0'
			h.version = span{int32(i - 2), 3}
		case h.kind == Response:
			if c != ' ' {
				return h.badVersion(i, at)
			}
			h.state = stStatus
			h.mark = i + 1
			return i + 1
		case c == '\r':
			h.state = stStartLF
			return i + 1
		case c == '\n':
			return h.endStart(i, bareLF)
		case c == ' ':
			return h.fail(i, "space after HTTP version")
		default:
			return h.badVersion(i, at)
		}
	}
	return i
}

func (h *Head) badVersion(i, at int) int {
	switch {
	case h.kind == Response && at < 5:
		return h.fail(i, "not an HTTP response")
	case at == 0 && h.data[i] == ' ':
		return h.fail(i, "more than one space before HTTP version")
	case at >= 5 && at <= len(versionText) && digit(h.data[i]):
		return h.fail(i, "HTTP version not supported")
	}
	return h.fail(i, "invalid HTTP version")
}

// parseStatus reads the status code and the byte after it.
// Differs from HAProxy: it accepts any number, and more spaces.
func (h *Head) parseStatus(i int) int {
	for ; i < len(h.data); i++ {
		c, at := h.data[i], i-h.mark
		switch {
		case at < 3 && digit(c) && (at > 0 || c != '0'):
			h.status = h.status*10 + int(c-'0')
		case at == 3 && c == ' ':
			h.state = stReason
			h.mark = i + 1
			h.reason = span{int32(i + 1), 0}
			return i + 1
		case at == 3 && c == '\r':
			h.state = stStartLF
			return i + 1
		case at == 3 && c == '\n':
			return h.endStart(i, bareLF)
		default:
			return h.fail(i, "invalid status code")
		}
	}
	return i
}

func (h *Head) parseReason(i int) int {
	for {
		i = textEnd(h.data, i)
		if i == len(h.data) {
			return i
		}
		switch c := h.data[i]; {
		case c == '\r':
			h.reason = span{int32(h.mark), int32(i - h.mark)}
			h.state = stStartLF
			return i + 1
		case c == '\n':
			h.reason = span{int32(h.mark), int32(i - h.mark)}
			return h.endStart(i, bareLF)
		case c == 0:
			return h.fail(i, "NUL in reason phrase")
		}
		i++
	}
}

func (h *Head) startLF(i int) int {
	if h.data[i] != '\n' {
		return h.fail(i, "CR without LF")
	}
	return h.endStart(i, crlf)
}

func (h *Head) endStart(i int, e lineEnd) int {
	h.ends = e
	h.state = stLine
	return i + 1
}

// line looks at the first byte after a line: a field, the end, or a folded line. Fields
// that are there as a whole, as nearly all are, it takes one after the other by itself.
func (h *Head) line(i int) int {
	b := h.data
	for i < len(b) {
		switch b[i] {
		case '\r':
			h.state = stEndLF
			return i + 1
		case '\n':
			return h.endHead(i, bareLF)
		case ' ', '\t':
			// Differs from HAProxy: it joins the lines. RFC 9112 §5.2 lets a proxy refuse.
			return h.fail(i, "folded line")
		}
		if len(h.fields) >= h.maxFields {
			return h.fail(i, "too many fields")
		}
		h.mark = i
		h.state = stName
		colon := nameEnd(b, i)
		if colon == len(b) || b[colon] != ':' || colon == i {
			return h.parseName(colon)
		}
		h.name = span{int32(i), int32(colon - i)}
		value := colon + 1
		if value < len(b) && b[value] == ' ' {
			value++
		}
		if value == len(b) || b[value] == ' ' || b[value] == '\t' {
			h.state = stBeforeValue
			return h.beforeValue(value)
		}
		end := textEnd(b, value)
		if end+1 >= len(b) || b[end] != '\r' || b[end+1] != '\n' || b[end-1] == ' ' || !h.sameEnd(crlf) {
			h.mark = value
			h.state = stValue
			return h.parseValue(end)
		}
		h.fields = append(h.fields, field{h.name, span{int32(value), int32(end - value)}})
		if reason := h.learn(h.name, b[value:end]); reason != "" {
			return h.fail(value, reason)
		}
		i = end + 2
		h.state = stLine
	}
	return i
}

// parseName, and what follows it, read a field that comes in pieces or is not plain.
func (h *Head) parseName(i int) int {
	b := h.data
	i = nameEnd(b, i)
	switch {
	case i == len(b):
		return i
	case b[i] != ':':
		return h.badName(i)
	case i == h.mark:
		return h.fail(i, "field without name")
	}
	h.name = span{int32(h.mark), int32(i - h.mark)}
	h.state = stBeforeValue
	return h.beforeValue(i + 1)
}

func (h *Head) badName(i int) int {
	switch h.data[i] {
	case ' ', '\t':
		return h.fail(i, "space in or after field name")
	case '\r', '\n':
		return h.fail(i, "field without colon")
	}
	return h.fail(i, "invalid byte in field name")
}

func (h *Head) beforeValue(i int) int {
	b := h.data
	for ; i < len(b); i++ {
		if b[i] != ' ' && b[i] != '\t' {
			h.mark = i
			h.state = stValue
			return h.parseValue(i)
		}
	}
	return i
}

func (h *Head) parseValue(i int) int {
	for {
		i = textEnd(h.data, i)
		if i == len(h.data) {
			return i
		}
		switch c := h.data[i]; {
		case c == '\r':
			h.end = i
			h.state = stValueLF
			return i + 1
		case c == '\n':
			h.end = i
			return h.endField(i, bareLF)
		case c == 0:
			return h.fail(i, "NUL in field value")
		case c != '\t' && h.kind == Request:
			// Differs from HAProxy: it lets all but CR and LF pass (RFC 9110 §5.5).
			return h.fail(i, "control byte in field value")
		}
		i++
	}
}

func (h *Head) valueLF(i int) int {
	if h.data[i] != '\n' {
		return h.fail(i, "CR without LF")
	}
	return h.endField(i, crlf)
}

// endField records the field whose line ends at i, and goes on to the next line.
func (h *Head) endField(i int, e lineEnd) int {
	if !h.sameEnd(e) {
		return h.fail(i, mixedEnds)
	}
	end := h.end
	for end > h.mark && (h.data[end-1] == ' ' || h.data[end-1] == '\t') {
		end--
	}
	value := span{int32(h.mark), int32(end - h.mark)}
	h.fields = append(h.fields, field{h.name, value})
	h.state = stLine
	if reason := h.learn(h.name, h.data[h.mark:end]); reason != "" {
		return h.fail(h.mark, reason)
	}
	return i + 1
}

const mixedEnds = "lines end with CRLF and with LF alone"

// sameEnd says whether a line of a request ends as those before. LF alone is what tools
// typed by hand send (RFC 9112 §2.2 allows it); a mix is what smuggling needs.
// Differs from HAProxy: it accepts mixes in requests, too.
func (h *Head) sameEnd(e lineEnd) bool { return h.ends == e || h.kind == Response }

func (h *Head) endLF(i int) int {
	if h.data[i] != '\n' {
		return h.fail(i, "CR without LF")
	}
	return h.endHead(i, crlf)
}

func (h *Head) endHead(i int, e lineEnd) int {
	if !h.sameEnd(e) {
		return h.fail(i, mixedEnds)
	}
	h.state = stDone
	h.length = i + 1
	status, reason := 400, ""
	if h.kind == Request {
		status, reason = h.judgeRequest()
	} else {
		reason = h.judgeResponse()
	}
	if reason != "" {
		return h.failStatus(i, status, reason)
	}
	h.asked, h.touched = h.methodID, 0 // what judging took out is no edit
	return i + 1
}

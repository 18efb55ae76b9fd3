package haproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/sample"
)

func ruleReturn(a *args) {
	a.rule.Do = config.ActReturn
	reply := a.reply(200)
	if reply == nil {
		reply = &config.Reply{Status: 200}
	}
	a.rule.Reply, a.rule.Status = reply, reply.Status
}

// denial is the setter of deny and tarpit, whose reply is the error message of their status where none is given.
func denial(do config.Action, status int) func(*args) {
	return func(a *args) {
		status := status
		if a.point == sample.Response {
			status = 502
		}
		a.rule.Do, a.rule.Status = do, status
		if reply := a.reply(status); reply != nil {
			a.rule.Reply, a.rule.Status = reply, reply.Status
			if reply.Page { // the engine's own choice
				a.rule.Reply = nil
			}
		}
	}
}

// replyDraft collects the words of a reply.
type replyDraft struct {
	config.Reply
	source            word // errorfile, string and their like
	contentType, code word
	empty, fromErrors bool
}

// reply reads [status N] [content-type T] [string|file|lf-string|lf-file|errorfile F] [hdr N F]…
func (a *args) reply(status int) *config.Reply {
	r := replyDraft{Reply: config.Reply{Status: status}}
	seen := false
	for a.more() && !a.failed {
		t := a.peek()
		if t == "if" || t == "unless" {
			break
		}
		if !a.replyWord(&r) {
			break
		}
		seen = true
	}
	if a.failed || !seen {
		return nil
	}
	a.checkReply(&r)
	r.Page = r.Body == nil && r.Raw == nil && len(r.Headers) == 0 && (r.Page || r.fromErrors)
	return &r.Reply
}

// replyWord takes one word with its value; false if it belongs to something else.
func (a *args) replyWord(r *replyDraft) bool {
	w := a.list[a.at]
	deny := a.rule.Do != config.ActReturn
	switch w.text {
	case "status", "deny_status":
		if w.text == "deny_status" && !deny {
			return false
		}
		// "status" alone means an answer without a body; "deny_status" alone the error page.
		r.Page = w.text == "deny_status"
		a.next()
		r.code = a.need("a status")
		n, err := strconv.Atoi(r.code.text)
		if err != nil || n < 200 || n > 599 {
			a.bad(r.code, "must be from 200 to 599")
		}
		r.Status = n
	case "content-type":
		a.next()
		r.contentType = a.need("a type")
		r.ContentType = r.contentType.text
	case "string", "lf-string", "file", "lf-file", "errorfile", "default-errorfiles", "errorfiles":
		a.next()
		if r.source.text != "" {
			a.bad(w, "the content is given already, by "+r.source.text)
			return true
		}
		r.source = w
		a.replyContent(r, w)
	case "hdr":
		a.next()
		at := a.list[a.at-1]
		name := a.headerName()
		value := a.need("a format")
		if strings.EqualFold(name, "content-length") || strings.EqualFold(name, "transfer-encoding") {
			a.report.Warn(at.pos, "no-effect",
				fmt.Sprintf("%s: hdr %s has no effect: the length of a reply is its own", a.name, name), "")
			return true
		}
		r.Headers = append(r.Headers, config.ReplyHeader{Name: name, Value: a.format(value, a.point, true)})
	default:
		return false
	}
	return true
}

// replyContent reads where the body, or the whole response, comes from.
func (a *args) replyContent(r *replyDraft, kind word) {
	switch kind.text {
	case "default-errorfiles":
		r.fromErrors = true
		return
	case "errorfiles":
		a.unsupported(kind, "there are no http-errors sections; errorfile names one file")
		return
	}
	value := a.need("a value")
	switch kind.text {
	case "string":
		r.Body, r.empty = a.literal(value), value.text == ""
	case "lf-string":
		r.Body = a.format(value, a.point, true)
	case "errorfile":
		r.Raw = a.rawResponse(value)
		r.fromErrors = len(r.Raw) == 0 && !a.failed
	case "file", "lf-file":
		data, err := a.readReply(value)
		if err != nil {
			a.fail(value.pos, "unreadable", fmt.Sprintf("%s: file %s: %v", a.name, q(value.text), source.Reason(err)),
				"")
			return
		}
		text := word{text: string(data), pos: value.pos}
		if r.empty = len(data) == 0; kind.text == "file" {
			r.Body = a.literal(text)
		} else {
			r.Body = a.format(text, a.point, true)
		}
	}
}

func (a *args) readReply(file word) ([]byte, error) {
	if a.failed {
		return nil, nil
	}
	return a.readFile(file)
}

// checkReply looks at the words together.
func (a *args) checkReply(r *replyDraft) {
	wholeErrors := r.fromErrors || r.Page && r.source.text == "" && a.rule.Do != config.ActReturn && len(r.Headers) == 0
	if wholeErrors && r.code.text != "" && r.source.text != "errorfile" {
		a.errorStatus(r.code)
	}
	hasBody := r.Body != nil && !r.empty
	switch {
	case a.failed:
	case hasBody && r.ContentType == "":
		a.fail(r.source.pos, "missing-value", fmt.Sprintf("%s: a content-type must be given with a content", a.name),
			"write content-type text/plain")
	case !hasBody && r.ContentType != "":
		a.report.Warn(r.contentType.pos, "no-effect",
			fmt.Sprintf("%s: content-type without a content has no effect", a.name), "")
		r.ContentType = ""
	case (r.Raw != nil || r.source.text == "default-errorfiles") && len(r.Headers) > 0:
		a.report.Warn(r.source.pos, "no-effect", fmt.Sprintf("%s: hdr beside an errorfile has no effect", a.name), "")
		r.Headers = nil
	}
	if r.empty {
		r.Body = nil
	}
}

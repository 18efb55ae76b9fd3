// Package admin shows what the proxy does and takes orders for it: the statistics page with
// its CSV and JSON, and the runtime socket.
//
// It owns the names, orders and types of the reference's statistics fields (field.go,
// info.go), the commands of the runtime socket (cli.go, command*.go) and the page (page.go,
// web/). It reads snapshots and calls [proxy.Commands]; it must never know how the engine keeps its
// figures, nor touch a connection of a client.
package admin

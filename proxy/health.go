package proxy

import "time"

type logBatch struct{}

func newLogBatch(*Engine) *logBatch           { return &logBatch{} }
func (*logBatch) flush()                      {}
func (*logBatch) traffic(*proxy, int, []byte) {}
func (*logBatch) dropped() int64              { return 0 }

func (srv *server) observe(bool)                      {}
func (srv *server) forceHealth(ForcedHealth)          {}
func (srv *server) effectiveWeight(now time.Time) int { return srv.state.weight }
func (srv *server) throttle(now time.Time) int        { return -1 }
func (srv *server) warm(now time.Time) int            { return 0 }

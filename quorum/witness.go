package quorum

import (
	"time"

	"github.com/evenkeel/evenkeel/heartbeat"
	"github.com/evenkeel/evenkeel/lease"
)

// A witness serves many clusters: what they can make it keep is bounded.
const (
	maxClusterGroups = 256
	maxPromise       = time.Minute
)

// ClusterParams are what a witness must know of a cluster.
type ClusterParams struct {
	Name  string
	Me    int // the witness's number there
	Nodes int // how many there are, the witness included
	Key   []byte
}

// cluster is one that the witness votes for.
type cluster struct {
	p     ClusterParams
	peers []*heartbeat.Peer
	votes map[uint32]*lease.Voter
	told  map[string]bool
}

// Witness votes for clusters.
type Witness struct {
	clusters map[uint32]*cluster
	silent   Time   // end of the silence after the start
	epoch    uint64 // that it began with, or the highest that it has granted
	message  heartbeat.Message
	sent     heartbeat.Message
}

// NewWitness begins a witness that has forgotten its promises: it is silent for as long as the longest may last. epoch
// is the highest that it remembers, or a number that only grows.
func NewWitness(now Time, boot heartbeat.Boot, clusters []ClusterParams, longest time.Duration, epoch uint64) *Witness {
	w := &Witness{clusters: map[uint32]*cluster{}, silent: now + Time(longest), epoch: epoch}
	for _, p := range clusters {
		c := &cluster{p: p, votes: map[uint32]*lease.Voter{}, told: map[string]bool{}}
		for i := range p.Nodes {
			c.peers = append(c.peers, heartbeat.NewPeer(uint8(p.Me), uint8(i), boot, 1, time.Minute, 10*time.Second))
		}
		w.clusters[heartbeat.Hash(p.Name)] = c
	}
	return w
}

// Epoch is the highest that it has granted: what a witness that keeps a file writes there before it answers.
func (w *Witness) Epoch() uint64 { return w.epoch }

// Receive takes a message in and gives the answer, nil where there is none. why says that it was not taken; first, that
// this has not been told before.
func (w *Witness) Receive(now Time, payload, answer []byte) (out []byte, why string, first bool) {
	number, ok := heartbeat.ClusterOf(payload)
	if !ok {
		return nil, heartbeat.ErrForeign.Error(), false
	}
	c := w.clusters[number]
	if c == nil {
		return nil, "a heartbeat of a cluster that is not known here", false
	}
	in := &w.message
	if err := in.Parse(payload, c.p.Key); err != nil {
		return nil, err.Error(), c.tell(err.Error())
	}
	if int(in.From) >= len(c.peers) || int(in.From) == c.p.Me {
		return nil, "a heartbeat of another node, or for another", c.tell("astray")
	}
	p := c.peers[in.From]
	worth, _ := p.Receive(heartbeat.Time(now), 0, in, nil)
	if worth == heartbeat.Astray || worth == heartbeat.Repeated {
		return nil, "a heartbeat that is " + worth.String(), c.tell(worth.String())
	}
	say := &w.sent
	say.Cluster, say.Line, say.Groups, say.Votes = number, 0, say.Groups[:0], say.Votes[:0]
	if worth == heartbeat.Fresh {
		clear(c.told)
		for _, v := range in.Votes {
			w.vote(now, c, lease.ID(in.From), v)
		}
	}
	p.Next(heartbeat.Time(now), say)
	return say.Append(answer, c.p.Key), "", false
}

func (c *cluster) tell(reason string) bool {
	if c.told[reason] {
		return false
	}
	c.told[reason] = true
	return true
}

// vote answers one question, or notes a release.
func (w *Witness) vote(now Time, c *cluster, from lease.ID, v heartbeat.Vote) {
	voter := c.votes[v.Group]
	if voter == nil {
		if len(c.votes) >= maxClusterGroups {
			return
		}
		fresh := lease.NewVoter(now, time.Duration(max(w.silent-now, 0)), w.epoch)
		voter = &fresh
		c.votes[v.Group] = voter
	}
	switch v.Kind {
	case heartbeat.VoteAsk:
		if v.Length > int64(maxPromise) {
			return
		}
		a := voter.Ask(now,
			lease.Ask{From: from, Epoch: v.Epoch, Sent: lease.Time(v.Sent), Promise: time.Duration(v.Length)})
		if a.Granted {
			w.epoch = max(w.epoch, v.Epoch)
		}
		w.sent.Votes = append(w.sent.Votes, reply(v.Group, a))
	case heartbeat.VoteRelease:
		voter.Release(now, from, v.Epoch)
	}
}

// Package lease decides which node may hold a group of addresses: the one that has promises of more than half of the
// voters. It is a pure machine; time comes in, effects go out.
//
// A Voter promises the group to one node at a time, for a while of its own clock. A Node is a candidate and a voter at
// once, and its vote counts against itself too: while it has promised the group to another, it cannot take it.
//
// What makes two holders impossible, as long as clocks run at the same rate within ClockError:
//
//   - a voter counts a promise from when it answers, a node from before it asked, and less the clocks' error;
//   - a voter that was restarted, and has forgotten, is silent for as long as a promise lasts;
//   - epochs grow with each election, and a voter refuses what is older than what it has granted;
//   - a hold is extended only while it lasts. Once it has run out, only a new election begins another.
//
// The caller keeps four things: `now` is read before the call; a message that has arrived is handed in before Tick;
// the lease gate closes by itself at the time of the last Hold; and what holding means (addresses, announcements) is
// undone before Release is called.
//
// The package has no clock, socket, goroutine or randomness. It never knows how votes travel, what an address is, or
// why somebody wants one.
package lease

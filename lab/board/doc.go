// Package board collects what the hosts of a site report, computes what faults cost, and serves
// the page that shows it. What the figures mean is defined in lab/measure.
//
// It gives orders to nobody: the page hands them to the one who made it.
package board

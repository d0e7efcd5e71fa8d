package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"xtls-agent/bench/report"
)

// result is what came of a run.
type result struct {
	Date    string
	Machine report.Machine
	Load    string // of the machine before it began, as the kernel has it

	Agents, Reached int
	All             time.Duration // until the last of them was connected
	Server          int           // so many sessions the cluster counted then
	Resident        float64       // KiB an agent, as are the next two
	Heap, Stack     float64
	Goroutines      float64
	CPU             float64 // ms a minute an agent
	Paired, Sample  int

	KilledAt time.Duration
	Killed   int // so many were at the node
	Back     int
	Begun    returns // when they were taken by the other node
	Returns  returns // when they were back
	Commands outcome

	Curve  []point
	Logins []time.Duration
	Words  map[string]int // what the agents complained of
}

func newResult(p plan) *result {
	return &result{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: report.ThisMachine(), Load: machineLoad(), Agents: p.agents, Sample: p.sample,
	}
}

func (o *outcome) add(p outcome) {
	o.Calls += p.Calls
	o.Done += p.Done
	o.Unknown += p.Unknown
	o.Lost += p.Lost
	o.Twice += p.Twice
	o.Longest = max(o.Longest, p.Longest)
}

// aimedAgents is how many there should be on a machine of two cores.
const aimedAgents = 5000

// line is a line of the table.
type line struct {
	what, figure, aim string
	met               bool // holds where there is an aim
}

// lines are the table.
func (r *result) lines() []line {
	b, c := r.Returns, r.Commands
	reached := fmt.Sprintf("%d of %d, the last after %s; the cluster counts %d", r.Reached, r.Agents, seconds(r.All), r.Server)
	memory := fmt.Sprintf("%.0f KiB: %.0f heap, %.0f stacks of %.0f goroutines, the rest Go's own", r.Resident, r.Heap, r.Stack, r.Goroutines)
	back := fmt.Sprintf("99 %% of them after %s, the last after %s; %d of all %d", seconds(b.Most), seconds(b.All), r.Back, r.Reached)
	commands := fmt.Sprintf("%d done, %d unknown, %d lost, %d run twice; the longest took %s",
		c.Done, c.Unknown, c.Lost, c.Twice, seconds(c.Longest))
	return []line{
		{"agents connected", reached, fmt.Sprint(aimedAgents), r.Reached >= aimedAgents},
		{"memory of an idle agent", memory, "", true},
		{"CPU time of an idle agent", fmt.Sprintf("%.2f ms a minute", r.CPU), "", true},
		{"paired and controlled", fmt.Sprintf("%d of %d", r.Paired, r.Sample), "", true},
		{"at the node that was killed", fmt.Sprintf("%d agents", r.Killed), "", true},
		{"back", back, "all", r.Back == r.Reached},
		r.Begun.line("most logins begun in a second"),
		b.line("most logins completed in a second"),
		{"commands", commands, "none lost or twice", c.Lost+c.Twice == 0},
	}
}

// line is how even they came.
func (b returns) line(what string) line {
	figure := fmt.Sprintf("%.0f, %.2f times the mean of %.1f", b.Peak, b.Peak/b.Mean, b.Mean)
	return line{what, figure, "under twice the mean", b.Peak < 2*b.Mean}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func (l line) verdict() string {
	switch {
	case l.aim == "":
		return ""
	case l.met:
		return "yes"
	}
	return "no"
}

// writeTable writes it for a terminal.
func (r *result) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tfigure\taim\tmet")
	for _, l := range r.lines() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.what, l.figure, l.aim, l.verdict())
	}
	return t.Flush()
}

// markdown is the table for docs/fleet.md.
func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s; both nodes, all agents and their owners on it. Load before the run: %s.\n\n", r.Date, r.Machine, r.Load)
	b.WriteString("| what | figure | aim | met |\n|---|---|---|---|\n")
	for _, l := range r.lines() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.what, l.figure, l.aim, l.verdict())
	}
	return b.String()
}

// page puts the table into the text of docs/fleet.md.
func (r *result) page(text string) (string, error) { return report.Put(text, "fleet", r.markdown()) }

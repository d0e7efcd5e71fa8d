package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// atOnce is how many mutants are run at a time: their tests wait more than they compute.
const atOnce = 4

// Where things are, seen from the root of the module.
const (
	listDir = "internal/mutants/list"
	results = "docs/mutants.txt"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: mutants [PATTERN…], in the root of the module") }
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok, err := run(ctx, strings.Join(flag.Args(), "|"))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run runs the mutants whose names match and reports whether all were killed.
func run(ctx context.Context, pattern string) (bool, error) {
	all, err := readList(listDir)
	if err != nil {
		return false, err
	}
	match, err := regexp.Compile(pattern)
	if err != nil {
		return false, err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool { return !match.MatchString(m.name) })
	if len(chosen) == 0 {
		return false, fmt.Errorf("no mutant is called %q", pattern)
	}
	temp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(temp)
	r := runner{root: ".", temp: temp}
	red := baselines(ctx, r, byPackage(chosen))
	verdicts := killAll(ctx, r, chosen, red)
	return tell(verdicts) && ctx.Err() == nil, errors.Join(ctx.Err(), write(results, all, verdicts))
}

// baselines runs the tests without any mutant, and returns the packages in which they do not pass, not even at the second time.
func baselines(ctx context.Context, r runner, all []tests) (red map[string]bool) {
	red = make(map[string]bool)
	var mu sync.Mutex // guards red
	each(len(all), func(i int) {
		start := time.Now()
		said, ok := r.baseline(ctx, all[i])
		if !ok {
			said, ok = r.baseline(ctx, all[i])
		}
		if !ok && ctx.Err() == nil {
			fmt.Printf("without mutants, tests of %s do not pass:\n%s\n", all[i].pkg, said)
			mu.Lock()
			red[all[i].pkg] = true
			mu.Unlock()
			return
		}
		fmt.Printf("%s passes without mutants (%d tests, %.1f s)\n", all[i].pkg, len(all[i].names), time.Since(start).Seconds())
	})
	return red
}

// killAll runs the mutants, and returns what came of those that it came to before ctx ended.
func killAll(ctx context.Context, r runner, chosen []mutant, red map[string]bool) (verdicts []verdict) {
	var mu sync.Mutex // guards verdicts
	each(len(chosen), func(i int) {
		start := time.Now()
		v := verdict{mutant: chosen[i]}
		if at := slices.IndexFunc(v.mutant.by, func(t tests) bool { return red[t.pkg] }); at >= 0 {
			v.got, v.err = missing, fmt.Errorf("tests of %s do not pass without it", v.mutant.by[at].pkg)
		} else {
			v.got, v.by, v.err = r.kill(ctx, v.mutant)
		}
		if ctx.Err() != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		verdicts = append(verdicts, v)
		fmt.Printf("%d of %d  %s  %v  (%.1f s)\n", len(verdicts), len(chosen), v.name, v, time.Since(start).Seconds())
	})
	return verdicts
}

// each calls do for 0 to n-1, some at once.
func each(n int, do func(int)) {
	var working sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		working.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	working.Wait()
}

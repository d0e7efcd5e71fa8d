package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"xtls-agent/bench/row"
)

func example() *Report {
	r := New(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
	point := func(v float64) row.Spread { return row.Spread{Median: v, Low: v * 0.9, High: v * 1.1} }
	r.Results = []row.Result{
		{Row: "a<b", What: "a & b", Unit: "ms", Ours: point(12.345), Beside: "peer", Peer: point(24690), Ratio: point(0.0005), Aim: "≤ 1.00", AimAt: 1, Met: true, Pairs: 3},
		{Row: "c", What: "c", Figure: "p99", Unit: "MB/s", Ours: point(1), Beside: "peer", Peer: point(100), Ratio: point(1.5), Aim: "≤ 1.30", AimAt: 1.3, Pairs: 3},
	}
	r.Failed = []Failure{{"d", "no peer"}}
	return r
}

func TestJSONComesBack(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	back, err := ReadJSON(&b)
	if err != nil || len(back.Results) != 2 || back.Results[1] != example().Results[1] || back.Machine != example().Machine || back.Date != "2026-11-25" {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestTable(t *testing.T) {
	earlier := example()
	earlier.Results[0].Ratio = row.Spread{Median: 2, Low: 1, High: 3}
	var b strings.Builder
	if err := example().WriteTable(&b, earlier); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12.3 ms", "24690 ms", "outside 1.00–3.00", "1.50, within", "c p99", "FAILED: no peer", "yes", "no"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestChartIsXML(t *testing.T) {
	d := xml.NewDecoder(bytes.NewReader(example().Chart()))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // and the ground
		t.Errorf("%d rectangles", bars)
	}
}

func TestPage(t *testing.T) {
	other := tableBegin("other") + "another's\n" + tableEnd
	text := "# Page\n\n" + other + tableBegin("bench") + "old\n" + tableEnd + "\nmore\n"
	for range 2 { // it can be written again
		page, err := example().Page(text, "bench")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(page, "# Page\n\n"+other) || !strings.HasSuffix(page, "\nmore\n") || strings.Contains(page, "old") || !strings.Contains(page, "| a & b | 12.3 ms | peer |") {
			t.Error(page)
		}
		text = page
	}
	if _, err := example().Page("# Page\n", "bench"); err == nil {
		t.Error("a page without a place was taken")
	}
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{"0.0123 s": 0.01234, "1.23 s": 1.2345, "123 s": 123.4, "123457 s": 123456.7, "0 s": 0} {
		if got := Number(v, "s"); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

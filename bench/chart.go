package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/go-analyze/charts"
)

// writeChart draws how many requests a second each server answers, as a multiple of the handlers that are written by hand, at
// the number of connections in the middle.
func (r *report) writeChart(file string) error {
	var counts []int
	for _, m := range r.Median {
		if !slices.Contains(counts, m.Connections) {
			counts = append(counts, m.Connections)
		}
	}
	if len(counts) == 0 {
		return nil
	}
	slices.Sort(counts)
	connections := counts[len(counts)/2]
	var labels, names []string
	for _, m := range r.Median {
		if m.Connections == connections && !slices.Contains(labels, m.Operation) {
			labels = append(labels, m.Operation)
		}
		if m.Server != handwritten && !slices.Contains(names, m.Server) {
			names = append(names, m.Server)
		}
	}
	values := make([][]float64, len(names))
	for i := range values {
		values[i] = make([]float64, len(labels))
		for n := range labels {
			values[i][n] = charts.GetNullValue()
		}
	}
	for _, m := range r.Median {
		if at := slices.Index(names, m.Server); at >= 0 && m.Connections == connections {
			values[at][slices.Index(labels, m.Operation)] = m.Ratio
		}
	}
	option := charts.NewBarChartOptionWithData(values)
	option.Title.Text = fmt.Sprintf("Requests per second, as a multiple of handlers written by hand (%d connections)", connections)
	option.CategoryAxis.Labels = labels
	option.Legend.SeriesNames = names
	option.Legend.Offset = charts.OffsetStr{Left: charts.PositionRight}
	option.Legend.Vertical = charts.Ptr(true)
	option.ValueAxis[0].Min = charts.Ptr(0.0)
	for i := range option.SeriesList {
		option.SeriesList[i].Label.Show = charts.Ptr(true)
		option.SeriesList[i].Label.ValueFormatter = func(v float64) string { return fmt.Sprintf("%.2f", v) }
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 900, Height: 420})
	if err := painter.BarChart(option); err != nil {
		return err
	}
	text, err := painter.Bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

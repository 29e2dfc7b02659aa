// A dashboard that has only the kinds of panel we use, each with the options and fields of its kind, and queries for
// Prometheus. All else is Grafana's own: the raw types follow from its CUE schema.
import type { Dashboard, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen";
import type * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { PrometheusDataQuery } from "grafana-schema-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen";

// Grafana leaves `custom`, `options` and `targets` open here, and closes them in the types of each kind of panel.
interface Fields<Custom> extends Omit<FieldConfigSource, "defaults"> {
  defaults: Omit<FieldConfig, "custom"> & { custom?: Custom };
}

interface Shown<Kind, Options, Custom> extends Omit<Panel, "type" | "options" | "fieldConfig" | "targets"> {
  type: Kind;
  options?: Options;
  fieldConfig?: Fields<Custom>;
  targets?: PrometheusDataQuery[];
}

// They are all called Options and FieldConfig there, and a schema wants different names.
interface BarGaugeOptions extends Pick<bargauge.Options, keyof bargauge.Options> {}
interface HeatmapOptions extends Pick<heatmap.Options, keyof heatmap.Options> {}
interface HeatmapFields extends Pick<heatmap.FieldConfig, keyof heatmap.FieldConfig> {}
interface StatOptions extends Pick<stat.Options, keyof stat.Options> {}
interface TableOptions extends Pick<table.Options, keyof table.Options> {}
interface TableFields extends Pick<table.FieldConfig, keyof table.FieldConfig> {}
interface TimeSeriesOptions extends Pick<timeseries.Options, keyof timeseries.Options> {}
interface TimeSeriesFields extends Pick<timeseries.FieldConfig, keyof timeseries.FieldConfig> {}
// Neither bar gauge nor stat has field options of its own.
type NoFields = Record<string, never>;

interface BarGauge extends Shown<"bargauge", BarGaugeOptions, NoFields> {}
interface Heatmap extends Shown<"heatmap", HeatmapOptions, HeatmapFields> {}
interface Stat extends Shown<"stat", StatOptions, NoFields> {}
interface Table extends Shown<"table", TableOptions, TableFields> {}
interface TimeSeries extends Shown<"timeseries", TimeSeriesOptions, TimeSeriesFields> {}
interface Row extends Omit<RowPanel, "panels"> {
  panels: AnyPanel[];
}

// By the discriminator, a fault is told by its place, not as "none of these panels".
/** @discriminator type */
type AnyPanel = BarGauge | Heatmap | Row | Stat | Table | TimeSeries;

export interface Board extends Omit<Dashboard, "panels"> {
  panels: AnyPanel[];
}

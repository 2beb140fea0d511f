// What the API answers. The names are those of the OpenAPI document.

export type Severity = 'critical' | 'warning' | 'info';
export type Status = Severity | 'ok' | 'idle';
export type Labels = Record<string, string>;

export interface FunctionRow {
  namespace: string;
  function: string;
  owner: string | null;
  calls: number;
  qps: number;
  qps_before: number | null;
  success_rate: number | null;
  errors: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  limited: number;
  cold_starts: number;
  pods: number | null;
  status: Status;
  since: string | null;
  first_seen: string;
  last_seen: string;
  spark?: number[];
  spark_errors?: number[];
}

export interface FunctionList {
  functions: FunctionRow[];
  total: number;
  as_of: string;
  range_seconds: number;
  completeness: number | null;
}

export interface Slice {
  value: string;
  calls: number;
  qps: number;
  errors: number;
  success_rate: number | null;
  p99_ms: number | null;
  limited: number;
  cold_starts: number;
}

export interface FiringAlert {
  rule: string;
  severity: Severity;
  since: string;
  labels: Labels;
  summary: string;
  incident: string | null;
}

export interface Explanation {
  dimension: string;
  value: string;
  failures: number;
  failures_share: number;
  calls_share: number | null;
  success_rate: number | null;
}

export interface FunctionDetail {
  function: FunctionRow;
  outcomes: Record<string, number>;
  by: { unit: Slice[]; version: Slice[]; zone: Slice[] };
  alerts: FiringAlert[];
  explanations: Explanation[];
  as_of: string;
  range_seconds: number;
  completeness: number | null;
}

export interface FailedCall {
  ts: string;
  outcome: string;
  duration_ms: number;
  request_id: string | null;
  version: string | null;
  unit: string | null;
  zone: string | null;
  instance: string | null;
  error_type: string | null;
  http_status: number | null;
}

export interface Located {
  explanations: Explanation[];
  samples: FailedCall[];
  as_of: string;
}

export interface Curve {
  labels: Labels;
  measure: string;
  values: (number | null)[];
}

export interface Curves {
  time: number[];
  step_seconds: number;
  series: Curve[];
  as_of: string;
  complete_until: number | null;
}

export interface IncidentShort {
  id: string;
  number: number;
  title: string;
  severity: Severity;
  status: 'open' | 'acknowledged' | 'resolved';
  function: string | null;
  labels: Labels;
  opened_at: string;
  changed_at: string;
  acknowledged: { by: string; how: string; at: string; until: string | null } | null;
  resolved: { at: string; by: string | null; reason: string } | null;
  false_alarm: boolean;
  /** `receiver` or `escalation` and its name. */
  destination?: Labels;
  reach: 'waiting' | 'reached' | 'unreached';
  next_step_at: string | null;
  told: { name: string; at: string; certain: boolean }[];
  alerts_total: number;
  alerts_firing: number;
  timeline_left_out: number;
}

export interface IncidentList {
  incidents: IncidentShort[];
}

export interface Alert {
  status: 'firing' | 'resolved';
  severity: Severity;
  labels: Labels;
  annotations: Record<string, string>;
  starts_at: string;
  ends_at: string | null;
  generator_url: string;
  fingerprint: string;
}

export interface TimelineEntry {
  sequence: number;
  at: string;
  kind: 'condition' | 'routed' | 'step' | 'delivery' | 'acknowledged' | 'reopened' | 'resolved' | 'note';
  text: string;
  by?: string;
}

export interface Incident extends IncidentShort {
  alerts: Alert[];
  timeline: TimelineEntry[];
}

export interface LabelSet {
  labels: Labels;
  phase: string;
  since: string | null;
  value: number | null;
  baseline: number | null;
  held: string | null;
  remaining: string | null;
  unknown: string | null;
}

export interface Rule {
  alert: string;
  severity?: string;
  summary?: string;
  last_evaluation: string | null;
  label_sets: number;
  unknown: number;
  last_unknown: string | null;
  beyond_limit: number;
  error: string | null;
  states: LabelSet[];
  truncated: boolean;
  [declared: string]: unknown;
}

export interface RuleList {
  mode: string;
  rules: Rule[];
  ticks_missed: number;
  as_of: string;
}

export interface SourceStatus {
  name: string;
  kind: string;
  format: string;
  state: 'waiting' | 'running' | 'failing';
  rows: number;
  bytes: number;
  rejected: Record<string, number>;
  skipped: number;
  clamped: number;
  last_seen: string | null;
  watermark: string | null;
  lag_seconds: number | null;
  completeness: number | null;
  last_error: string;
}

export interface TableStats {
  memory_rows: number;
  file_rows: number;
  file_bytes: number;
  files: number;
}

export interface System {
  version: string;
  started_at: string;
  as_of: string;
  trouble: string | null;
  mode: { mode: string; since: string | null; until: string | null; by: string };
  functions: number;
  rules: { count: number; failing: number; ticks_missed: number };
  sources: SourceStatus[];
  store: {
    healthy: boolean;
    stopped_because: string | null;
    memory_bytes: number;
    memory_bytes_max: number;
    wal_segments: number;
    wal_bytes: number;
    queue_rows: number;
    last_flush: string | null;
    tables: Record<string, TableStats>;
    rollups: { series: number; functions: number; late_rows: number; future_rows: number; other_rows: number };
  };
}

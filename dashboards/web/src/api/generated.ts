// Made from docs/openapi.json by types.mjs; change that, not this.

export type Acknowledgement = {
  at: Timestamp;
  by: string;
  how: string;
  until: null | Timestamp;
};

export type ActedFor = {
  by: string | null;
};

export type Address = {
  endpoint: string;
  person: string | null;
};

export type Alert = {
  annotations: Record<string, string>;
  ends_at: null | Timestamp;
  fingerprint: string;
  generator_url: string;
  incident?: string;
  labels: Labels;
  severity: Severity;
  starts_at: Timestamp;
  status: AlertStatus;
};

export type AlertList = {
  alerts: Alert[];
  total: number;
};

export type AlertStatus = "firing" | "resolved";

export type AlertmanagerAlert = {
  annotations: Record<string, string>;
  endsAt: Timestamp;
  fingerprint: string;
  generatorURL?: string;
  labels: Labels;
  receivers: AlertmanagerReceiver[];
  startsAt: Timestamp;
  status: AlertmanagerAlertStatus;
  updatedAt: Timestamp;
};

export type AlertmanagerAlertGroup = {
  alerts: AlertmanagerAlert[];
  labels: Labels;
  receiver: AlertmanagerReceiver;
};

export type AlertmanagerAlertStatus = {
  inhibitedBy: string[];
  mutedBy: string[];
  silencedBy: string[];
  state: string;
};

export type AlertmanagerCluster = {
  name: string;
  peers: AlertmanagerPeer[];
  status: string;
};

export type AlertmanagerConfig = {
  original: string;
};

export type AlertmanagerPeer = {
  address: string;
  name: string;
};

export type AlertmanagerReceiver = {
  name: string;
};

export type AlertmanagerStatus = {
  cluster: AlertmanagerCluster;
  config: AlertmanagerConfig;
  uptime: Timestamp;
  versionInfo: AlertmanagerVersion;
};

export type AlertmanagerVersion = {
  branch: string;
  buildDate: string;
  buildUser: string;
  goVersion: string;
  revision: string;
  version: string;
};

export type Also = {
  dimension: string;
  value: string;
};

export type ApproveLimits = {
  of: string | null;
};

export type AskBacktest = {
  from: Timestamp;
  function: string | null;
  rules?: RuleText[];
  to: Timestamp;
  warm_up: string | null;
};

export type Backtest = {
  calls: number;
  episodes: Fired[];
  episodes_left_out: number;
  from: Timestamp;
  gaps: Gap[];
  rules: RuleReport[];
  to: Timestamp;
  watched_from: Timestamp;
};

export type Curve = {
  labels: Record<string, string>;
  measure: string;
  values: (number | null)[];
};

export type Curves = {
  as_of: Timestamp;
  complete_until: number | null;
  series: Curve[];
  step_seconds: number;
  time: number[];
};

export type Destination = {
  receiver: string;
} | {
  escalation: string;
};

export type EntryKind = "condition" | "routed" | "step" | "delivery" | "acknowledged" | "reopened" | "resolved" | "muted" | "note";

export type ExplainedRule = {
  at: Timestamp;
  mode: Mode;
  replayed_from: Timestamp;
  rule: Rule;
  told: ToldAlert[];
  unknowable: string[];
};

export type Explanation = {
  also?: Also;
  calls_share: number | null;
  dimension: string;
  failures: number;
  failures_share: number;
  success_rate: number | null;
  value: string;
};

export type FailedCall = {
  duration_ms: number;
  error_type: string | null;
  http_status: number | null;
  instance: string | null;
  outcome: string;
  request_id: string | null;
  ts: string;
  unit: string | null;
  version: string | null;
  zone: string | null;
};

export type Fired = {
  alert: string;
  labels: Labels;
  seconds: number;
  severity: string;
  since: Timestamp;
  summary: string;
  suspects: string | null;
  until: null | Timestamp;
};

export type FiringAlert = {
  incident: string | null;
  labels: Labels;
  rule: string;
  severity: Severity;
  since: Timestamp;
  summary: string;
};

export type FlowRule = {
  clusterMode: boolean;
  controlBehavior: number;
  count: number;
  grade: number;
  limitApp: string;
  resource: string;
  strategy: number;
};

export type Found = {
  missing: number;
  quarantined: number;
  replayed_records: number;
  replayed_rows: number;
  torn: number;
};

export type FunctionDetail = {
  alerts: FiringAlert[];
  as_of: Timestamp;
  by: Places;
  completeness: number | null;
  explanations: Explanation[];
  function: FunctionRow;
  outcomes: Record<string, number>;
  range_seconds: number;
  releases: Release[];
};

export type FunctionLimits = {
  concurrency_per_pod: number | null;
  digest: string | null;
  function: string;
  live_pods: number | null;
  loadtest: string | null;
  measured_at: null | Timestamp;
  pending: null | PodLimits;
  published: null | PodLimits;
  qps_per_pod: number | null;
  qps_total: number | null;
  stale: boolean;
  verdict: string | null;
  version: string | null;
  why: string | null;
};

export type FunctionList = {
  as_of: Timestamp;
  completeness: number | null;
  functions: FunctionRow[];
  range_seconds: number;
  total: number;
};

export type FunctionRow = {
  calls: number;
  cold_starts: number;
  errors: number;
  first_seen: Timestamp;
  function: string;
  last_seen: Timestamp;
  limited: number;
  namespace: string;
  owner: string | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  pods: number | null;
  qps: number;
  qps_before: number | null;
  since: null | Timestamp;
  spark?: number[];
  spark_errors?: number[];
  status: Status;
  success_rate: number | null;
};

export type Gap = {
  from: Timestamp;
  to: Timestamp;
};

export type Heartbeat = {
  complete_until: Timestamp;
};

export type HeartbeatTaken = {
  source: string;
  watermark: null | Timestamp;
};

export type Incident = {
  acknowledged: null | Acknowledgement;
  alerts?: Alert[];
  alerts_firing: number;
  alerts_total: number;
  changed_at: Timestamp;
  destination: Destination;
  false_alarm: boolean;
  function: string | null;
  id: string;
  labels: Labels;
  muted: null | Muting;
  next_step_at: null | Timestamp;
  number: number;
  opened_at: Timestamp;
  reach: Reach;
  resolved: null | Resolution;
  severity: Severity;
  status: IncidentStatus;
  timeline?: TimelineEntry[];
  timeline_left_out: number;
  title: string;
  told: Told[];
};

export type IncidentList = {
  incidents: Incident[];
};

export type IncidentStatus = "open" | "acknowledged" | "resolved";

export type Ingested = {
  accepted: number;
  errors: RefusedLine[];
  rejected: number;
};

export type Invocation = {
  alias: string | null;
  attempt: number | null;
  attrs: Record<string, string> | null;
  cold_start: boolean | null;
  completed_at: null | Timestamp;
  duration: string | null;
  duration_ms: number | null;
  duration_s: number | null;
  duration_us: number | null;
  error_type: string | null;
  function: string;
  http_status: number | null;
  init_ms: number | null;
  init_us: number | null;
  instance: string | null;
  layer: string | null;
  memory_limit: number | null;
  memory_max: number | null;
  namespace: string | null;
  outcome: string | null;
  path: string | null;
  queue_ms: number | null;
  queue_us: number | null;
  region: string | null;
  request_id: string | null;
  served_by: string | null;
  status: number | null;
  trace_id: string | null;
  traffic: string | null;
  trigger: string | null;
  ts: null | Timestamp;
  unit: string | null;
  version: string | null;
  weight: number | null;
  zone: string | null;
};

export type LabelSet = {
  baseline: number | null;
  held: string | null;
  labels: Labels;
  numbers: string | null;
  phase: string;
  remaining: string | null;
  said: string | null;
  since: null | Timestamp;
  unknown: string | null;
  value: number | null;
  value_text: string | null;
};

export type Labels = Record<string, string>;

export type LimitsList = {
  as_of: Timestamp;
  limits: FunctionLimits[];
};

export type LimitsState = "none" | "pending" | "published";

export type Loadtest = {
  concurrency: number | null;
  cpu_limit: number | null;
  digest: string | null;
  function: string;
  high: number | null;
  id: string;
  kind: LoadtestKind;
  low: number | null;
  memory_limit: number | null;
  namespace: string;
  per_cpu: number | null;
  per_pod: number | null;
  scenario_hash: string | null;
  target: string | null;
  ts: Timestamp;
  verdict: string;
  version: string | null;
};

export type LoadtestKept = {
  id: string;
  limits: LimitsState;
  why: string;
};

export type LoadtestKind = "run" | "capacity";

export type LoadtestList = {
  loadtests: Loadtest[];
};

export type LoadtestResult = {
  kind: LoadtestKind;
  limits: null | ProposedLimits;
  limits_publish: null | PublishPlan;
  low: number | null;
  per_pod: number | null;
  subject: LoadtestSubject;
  verdict: string | null;
};

export type LoadtestSubject = {
  digest: string | null;
  function: string;
  id: string;
  seconds: number;
  started_at: string;
  version: string | null;
};

export type Located = {
  as_of: Timestamp;
  explanations: Explanation[];
  pairs: Explanation[];
  samples: FailedCall[];
};

export type MarkRelease = {
  at: null | Timestamp;
  function: string;
  percent: number | null;
  stage: ReleaseStage;
  unit: string | null;
  version: string;
};

export type Mode = "daily" | "rush";

export type ModeStatus = {
  by: string;
  mode: Mode;
  since: null | Timestamp;
  until: null | Timestamp;
};

export type Muting = {
  inhibited: boolean;
  over?: boolean;
  paused_at: Timestamp;
  since: Timestamp;
  why: string;
};

export type NextShift = {
  from: Timestamp;
  name: string | null;
  person: string;
  rotation: string;
};

export type NodeStatus = {
  epoch: number;
  leader: string | null;
  name: string;
  role: string;
};

export type Note = {
  by: string | null;
  text: string;
};

export type OnCall = {
  as_of: Timestamp;
  schedules: OnCallShift[];
};

export type OnCallGap = {
  from: Timestamp;
  to: Timestamp;
};

export type OnCallOverride = {
  by: string;
  from: Timestamp;
  id: number;
  made_at: Timestamp;
  person: string;
  schedule: string;
  to: Timestamp;
};

export type OnCallShift = {
  from: null | Timestamp;
  gaps: OnCallGap[];
  name: string | null;
  next: null | NextShift;
  overrides: OnCallOverride[];
  person: string | null;
  rotation: string | null;
  schedule: string;
  until: null | Timestamp;
};

export type Places = {
  unit: Slice[];
  version: Slice[];
  zone: Slice[];
};

export type PodLimits = {
  at: Timestamp;
  by: string;
  concurrency: number | null;
  digest: string | null;
  loadtest: string;
  qps: number;
  version: string | null;
};

export type PostableAlert = {
  annotations?: Record<string, string>;
  endsAt: string | null;
  generatorURL?: string;
  labels: Record<string, string>;
  startsAt: string | null;
};

export type PostableSilence = {
  comment: string;
  createdBy: string;
  endsAt: string;
  id: string | null;
  matchers: SilenceMatcher[];
  startsAt: string;
};

export type Problem = {
  detail: string;
  field?: string;
  hint?: string;
  status: number;
  title: string;
  type: string;
};

export type ProposedLimits = {
  concurrency: number;
  qps: number;
};

export type PublishPlan = {
  max_change: number;
  publish: string;
};

export type Reach = "waiting" | "reached" | "unreached";

export type RefusedLine = {
  line: number;
  reason: string;
};

export type Release = {
  at: Timestamp;
  by: string;
  function: string;
  percent: number | null;
  stage: ReleaseStage;
  unit: string | null;
  version: string;
};

export type ReleaseList = {
  as_of: Timestamp;
  releases: Release[];
};

export type ReleaseStage = "gray" | "full" | "base";

export type Reloaded = {
  advice: string[];
  kept: string[];
  reloaded: boolean;
};

export type Resolution = {
  at: Timestamp;
  by: string | null;
  reason: string;
};

export type Resolve = {
  by: string | null;
  reason: string | null;
};

export type RollupStats = {
  corrected_rows: number;
  functions: number;
  future_rows: number;
  inner_rows: number;
  instances: number;
  late_rows: number;
  other_instances: number;
  other_rows: number;
  reach_seconds: number;
  series: number;
  tens_bytes: number;
  top_other_calls: number;
  top_values: number;
  unreadable_rows: number;
};

export type Rule = unknown & {
  beyond_limit: number;
  error: string | null;
  label_sets: number;
  last_evaluation: null | Timestamp;
  last_unknown: string | null;
  states: LabelSet[];
  truncated: boolean;
  unknown: number;
};

export type RuleList = {
  as_of: Timestamp;
  mode: Mode;
  rules: Rule[];
  ticks_missed: number;
};

export type RuleReport = {
  alert: string;
  by_chance_in_1000_days: number | null;
  fired: number;
  label_sets: number;
  left_out: string | null;
  seconds: number;
};

export type RuleText = {
  name: string;
  text: string;
};

export type RulesStatus = {
  count: number;
  failing: number;
  ticks_missed: number;
};

export type SecondHomeStats = {
  away_bytes: number;
  away_files: number;
  bytes: number;
  failing_since: null | Timestamp;
  failure: string | null;
  files: number;
  leaving: number;
  name: string | null;
};

export type Severity = "info" | "warning" | "critical";

export type ShareStats = {
  bytes: number;
  bytes_max: number;
  peak_bytes: number;
  refused: number;
};

export type Silence = {
  comment: string;
  createdBy: string;
  endsAt: Timestamp;
  id: string;
  matchers: SilenceMatcher[];
  startsAt: Timestamp;
  status: SilenceStatus;
  updatedAt: Timestamp;
};

export type SilenceId = {
  silenceID: string;
};

export type SilenceMatcher = {
  isEqual?: boolean;
  isRegex?: boolean;
  name: string;
  value: string;
};

export type SilenceStatus = {
  state: string;
};

export type Slice = {
  calls: number;
  cold_starts: number;
  errors: number;
  limited: number;
  p99_ms: number | null;
  qps: number;
  success_rate: number | null;
  value: string;
};

export type Snooze = {
  by: string | null;
  for: string;
};

export type SourceList = {
  sources: SourceStatus[];
};

export type SourceState = "waiting" | "running" | "failing";

export type SourceStatus = {
  bytes: number;
  clamped: number;
  completeness: number | null;
  format: string;
  kind: string;
  lag_seconds: number | null;
  last_error: string;
  last_seen: null | Timestamp;
  name: string;
  rejected: Record<string, number>;
  rows: number;
  skipped: number;
  state: SourceState;
  watermark: null | Timestamp;
};

export type SqlAnswer = {
  columns: SqlColumn[];
  rows: unknown[][];
  truncated: boolean;
};

export type SqlColumn = {
  name: string;
  type: string;
};

export type SqlQuestion = {
  query: string;
};

export type Stats = {
  flushed_sequence: number;
  found: Found;
  healthy: boolean;
  last_flush: null | Timestamp;
  memory: Record<string, ShareStats>;
  memory_bytes: number;
  memory_bytes_max: number;
  queue_bytes: number;
  queue_rows: number;
  rollups: RollupStats;
  second_home: null | SecondHomeStats;
  sequence: number;
  stopped_because: string | null;
  tables: Record<string, TableStats>;
  wal_bytes: number;
  wal_segments: number;
};

export type Status = "critical" | "warning" | "info" | "ok" | "idle";

export type SwitchMode = {
  mode: Mode;
  until: null | Timestamp;
};

export type System = {
  as_of: Timestamp;
  functions: number;
  mode: ModeStatus;
  node: null | NodeStatus;
  rules: RulesStatus;
  sources: SourceStatus[];
  started_at: Timestamp;
  store: Stats;
  trouble: string | null;
  version: string;
};

export type TableStats = {
  file_bytes: number;
  file_rows: number;
  files: number;
  memory_rows: number;
};

export type TakeOver = {
  by: string | null;
  for: string | null;
  from: null | Timestamp;
  person: string | null;
  to: null | Timestamp;
};

export type TestMessage = {
  receiver: string;
};

export type TestResult = {
  channel: string;
  detail: string;
  endpoint: string;
  outcome: string;
  retryable: boolean;
};

export type TestedReceiver = {
  delivered: boolean;
  receiver: string;
  results: TestResult[];
};

export type TimelineEntry = {
  at: Timestamp;
  by?: string;
  kind: EntryKind;
  sequence: number;
  text: string;
};

export type Timestamp = string;

export type Told = {
  address: Address;
  at: Timestamp;
  certain: boolean;
  name: string;
  owed_resolved: boolean;
};

export type ToldAlert = {
  labels: Labels;
  since: Timestamp;
  summary: string;
  until: null | Timestamp;
};

// What the API answers, as its description says it (generated.ts), and the few shapes that are narrower in
// the pages.

import type * as api from './generated';

export type {
  Alert,
  Curve,
  Curves,
  Explanation,
  FailedCall,
  FiringAlert,
  FunctionDetail,
  FunctionList,
  FunctionRow,
  Labels,
  LabelSet,
  Located,
  Severity,
  Slice,
  SourceStatus,
  Status,
  System,
  TableStats,
  TimelineEntry,
} from './generated';

/** An incident in a list, without alerts and timeline. */
export type IncidentShort = Omit<api.Incident, 'alerts' | 'timeline'>;
export type IncidentList = { incidents: IncidentShort[] };
/** An incident by itself. */
export type Incident = IncidentShort & Required<Pick<api.Incident, 'alerts' | 'timeline'>>;

/** A rule with the fields it was declared with. */
export type Rule = api.Rule & { alert: string; severity?: string; summary?: string; [declared: string]: unknown };
export type RuleList = Omit<api.RuleList, 'rules'> & { rules: Rule[] };

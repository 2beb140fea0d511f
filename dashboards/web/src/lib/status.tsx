// A status is an icon, a word and a colour, so that it is told without seeing colours.

import { t } from '../i18n';

const ICONS: Record<string, string> = {
  critical: '▲',
  warning: '◆',
  info: '■',
  ok: '●',
  idle: '○',
  open: '▲',
  acknowledged: '◆',
  resolved: '●',
  firing: '▲',
  pending: '◆',
  clearing: '◇',
  inactive: '●',
  running: '●',
  waiting: '○',
  failing: '▲',
};

/** The order of trouble: the loudest first. */
export const ORDER = ['critical', 'warning', 'info', 'ok', 'idle'];

export function StatusWord({ status }: { status: string }) {
  return (
    <span class={`status ${status}`}>
      <span class="icon" aria-hidden="true">{ICONS[status] ?? '•'}</span>
      {t(`status.${status}`)}
    </span>
  );
}

// The frame around every page: navigation, how fresh the data is, language, theme and zone, keys.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get, onRefused, token } from './api/client';
import { useFreshness } from './api/live';
import type { IncidentList } from './api/types';
import { t, useWords } from './i18n';
import { useDress } from './lib/theme';
import { formatAge, formatInstant } from './lib/time';
import { go, href, usePath, useView, type ViewState } from './lib/url';
import { FleetPage } from './pages/fleet';
import FunctionPage from './pages/function/index';
import IncidentPage from './pages/incident/index';
import IncidentsPage from './pages/incidents';
import { Keys, useKeys } from './pages/keys';
import { MissingPage } from './pages/missing';
import { RulesPage } from './pages/rules';
import { SignInPage } from './pages/signin';
import { SystemPage } from './pages/system';

const ZONES = ['browser', 'UTC', 'Asia/Shanghai', 'Asia/Singapore', 'Europe/Berlin', 'America/New_York', 'America/Los_Angeles'];

export function App() {
  const [view, change] = useView();
  const path = usePath();
  const [refused, refuse] = useState(false);
  const [help, setHelp] = useState(false);
  const speaking = useWords(view.lang);
  useDress(view.theme);
  useKeys(() => setHelp(true));
  useEffect(() => onRefused(() => refuse(true)), []);
  useEffect(() => {
    document.documentElement.lang = view.lang === 'zh' ? 'zh-CN' : 'en';
  }, [view.lang]);
  const freshness = useFreshness();
  const stale = freshness.state === 'stale';
  if (!speaking) return null;
  return (
    <div class="frame" onClick={follow}>
      <header>
        <Navigation page={path[0] ?? ''} refused={refused} />
        {!refused && <DataAge view={view} />}
        <Settings view={view} change={change} />
      </header>
      {stale && freshness.asOf !== undefined && (
        <p class="stale-note" role="status" data-testid="stale">
          {t('shell.staleNote', { age: formatAge(freshness.age, t), at: formatInstant(freshness.asOf, view.tz, 'full') })}
        </p>
      )}
      <main class={stale ? 'stale' : ''}>
        {refused ? <SignInPage wrong={token() !== ''} done={() => refuse(false)} /> : <Page path={path} />}
      </main>
      {help && <Keys close={() => setHelp(false)} />}
    </div>
  );
}

function Page({ path }: { path: string[] }) {
  const [page, first, second] = path;
  if (page === undefined) return <FleetPage />;
  if (page === 'f' && first !== undefined && second !== undefined && path.length === 3) {
    return <FunctionPage key={`${first}/${second}`} namespace={first} name={second} />;
  }
  if (page === 'incidents' && path.length === 1) return <IncidentsPage />;
  if (page === 'incidents' && first !== undefined && path.length === 2) return <IncidentPage key={first} id={first} />;
  if (page === 'rules' && path.length === 1) return <RulesPage />;
  if (page === 'system' && path.length === 1) return <SystemPage />;
  return <MissingPage />;
}

/** Links within the pages do not load the document again; everything else is the browser's business. */
function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest?.('a');
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const target = new URL(link.href, location.href);
  const base = new URL(document.baseURI);
  const elsewhere = target.origin !== location.origin || !target.pathname.startsWith(base.pathname);
  if (elsewhere || link.target || link.hasAttribute('download') || /^(api|a)\//.test(target.pathname.slice(base.pathname.length))) return;
  event.preventDefault();
  go(target.href);
  if (target.hash) requestAnimationFrame(() => document.getElementById(decodeURIComponent(target.hash.slice(1)))?.scrollIntoView());
}

/** How many incidents are open; asked for on every page, since trouble elsewhere matters everywhere. */
function useOpenIncidents(refused: boolean): number {
  const [open, setOpen] = useState(0);
  useEffect(() => {
    if (refused) return undefined;
    const ask = () => {
      if (document.hidden) return;
      get<IncidentList>('api/v1/incidents?status=open&limit=100').then(
        (list) => setOpen(list.incidents.length),
        () => undefined,
      );
    };
    ask();
    const timer = setInterval(ask, 5_000);
    return () => clearInterval(timer);
  }, [refused]);
  return open;
}

function Navigation({ page, refused }: { page: string; refused: boolean }) {
  const open = useOpenIncidents(refused);
  const link = (to: string, name: string, current: boolean, more?: ComponentChildren) => (
    <a href={href(to)} aria-current={current ? 'page' : undefined}>{name}{more}</a>
  );
  return (
    <nav aria-label={t('shell.navigation')}>
      <a class="name" href={href('')}>Rampart</a>
      {link('', t('shell.functions'), page === '' || page === 'f')}
      {link('incidents', t('shell.incidents'), page === 'incidents', open > 0 && <span class="count"> {t('shell.openCount', { n: open })}</span>)}
      {link('rules', t('shell.rules'), page === 'rules')}
      {link('system', t('shell.system'), page === 'system')}
    </nav>
  );
}

function DataAge({ view }: { view: ViewState }) {
  const { state, asOf, age } = useFreshness();
  const at = asOf === undefined ? '' : formatInstant(asOf, view.tz, 'seconds');
  let said = t('shell.loading');
  if (state === 'stale') said = t('shell.stale', { at });
  else if (state === 'error') said = t('shell.unreachable');
  else if (asOf !== undefined && age >= 3) said = t('shell.aged', { age: formatAge(age, t), at });
  else if (asOf !== undefined) said = t(state === 'live' ? 'shell.live' : 'shell.polling', { at });
  return <span class={`freshness ${state}`} data-testid="data-age">{said}</span>;
}

type Change = (patch: Partial<ViewState>) => void;

function Settings({ view, change }: { view: ViewState; change: Change }) {
  const zones = ZONES.includes(view.tz) ? ZONES : [...ZONES, view.tz];
  return (
    <div class="settings">
      <select aria-label={t('shell.zone')} value={view.tz} onChange={(event) => change({ tz: event.currentTarget.value })}>
        {zones.map((zone) => <option key={zone} value={zone}>{zone === 'browser' ? t('shell.zoneBrowser') : zone}</option>)}
      </select>
      <select aria-label={t('shell.language')} value={view.lang} onChange={(event) => change({ lang: event.currentTarget.value as 'en' | 'zh' })}>
        <option value="en">English</option>
        <option value="zh">中文</option>
      </select>
      <select aria-label={t('shell.theme')} value={view.theme} onChange={(event) => change({ theme: event.currentTarget.value as ViewState['theme'] })}>
        <option value="auto">{t('shell.themeAuto')}</option>
        <option value="light">{t('shell.themeLight')}</option>
        <option value="dark">{t('shell.themeDark')}</option>
      </select>
    </div>
  );
}

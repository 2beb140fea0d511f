// Keys that work everywhere, and the list that tells them.

import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { go, href } from '../lib/url';

/** Whether a key belongs to a field and not to the page. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return !!target?.closest?.('input, textarea, select, [contenteditable="true"]');
}

const PAGES: Record<string, string> = { f: '', i: 'incidents', r: 'rules', s: 'system' };

/** `g` and a letter go to a page, `?` opens the list. */
export function useKeys(help: () => void): void {
  useLayoutEffect(() => {
    let went = 0;
    const press = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && isTyping(event)) (event.target as HTMLElement).blur();
      if (isTyping(event) || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.key === '?') help();
      else if (event.key === 'g') went = event.timeStamp;
      else if (went > 0 && event.timeStamp - went < 1_500) {
        went = 0;
        const page = PAGES[event.key];
        if (page !== undefined) go(href(page));
      }
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

export function Keys({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const line = (keys: string[], what: string) => (
    <>
      <dt>{keys.map((key) => <><kbd>{key}</kbd> </>)}</dt>
      <dd>{what}</dd>
    </>
  );
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="keys-title">
      <h1 id="keys-title">{t('shell.keys')}</h1>
      <dl class="keys">
        {line(['/'], t('shell.keyFilter'))}
        {line(['j', 'k'], t('shell.keyMove'))}
        {line(['Enter'], t('shell.keyOpen'))}
        {line(['g f', 'g i', 'g r', 'g s'], t('shell.keyGo'))}
        {line(['a'], t('shell.keyAck'))}
        {line(['?'], t('shell.keyHelp'))}
        {line(['Esc'], t('shell.keyEscape'))}
      </dl>
      <button onClick={() => dialog.current?.close()}>{t('shell.keysClose')}</button>
    </dialog>
  );
}

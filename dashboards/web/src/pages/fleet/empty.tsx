// Nothing has come in yet: how to send the first row.

import { useState } from 'preact/hooks';
import { address } from '../../api/client';
import { t } from '../../i18n';

export function Empty() {
  const [copied, setCopied] = useState(false);
  const line = `curl ${address('api/v1/invocations')} \\
  --data-binary '{"namespace":"guide","function":"feed","outcome":"ok","duration_ms":12}'`;
  const copy = () => {
    navigator.clipboard?.writeText(line).then(() => setCopied(true), () => undefined);
  };
  return (
    <div class="notice" data-testid="empty">
      <h1>{t('fleet.empty')}</h1>
      <p>{t('fleet.emptyWhat')}</p>
      <pre>{line}</pre>
      {'clipboard' in navigator && <button onClick={copy}>{copied ? t('fleet.copied') : t('fleet.copy')}</button>}
      <p class="dim">{t('fleet.emptyMore')}</p>
    </div>
  );
}

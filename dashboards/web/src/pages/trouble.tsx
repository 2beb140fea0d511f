import type { ApiError } from '../api/client';
import { t } from '../i18n';

/** A page that has nothing to show yet: it loads, or says why it cannot. */
export function Waiting({ error }: { error: ApiError | undefined }) {
  if (!error) return <p class="notice dim">{t('shell.loading')}</p>;
  if (error.status === 0) {
    return (
      <div class="notice" role="alert">
        <h1>{t('shell.unreachable')}</h1>
        <p>{t('shell.unreachableWhat')}</p>
      </div>
    );
  }
  return (
    <div class="notice" role="alert">
      <h1>{t('shell.failed')}</h1>
      <p>{error.detail}</p>
      {error.hint && <p class="dim">{error.hint}</p>}
    </div>
  );
}

import { t } from '../i18n';
import { href } from '../lib/url';

/** An address that leads nowhere. */
export function MissingPage() {
  return (
    <div class="notice" data-testid="missing">
      <h1>{t('shell.missing')}</h1>
      <p>{t('shell.missingWhat', { path: location.pathname })}</p>
      <p><a href={href('')}>{t('shell.missingWay')}</a></p>
    </div>
  );
}

import { useState } from 'preact/hooks';
import { rememberToken } from '../api/client';
import { t } from '../i18n';

/** Asks for a token, and remembers it for this tab. */
export function SignInPage({ wrong, done }: { wrong: boolean; done: () => void }) {
  const [text, setText] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    if (text.trim() === '') return;
    rememberToken(text.trim());
    done();
  };
  return (
    <form class="notice" onSubmit={submit} data-testid="signin">
      <h1>{t('shell.signIn')}</h1>
      <p id="token-what">{t('shell.signInWhat')}</p>
      {wrong && <p role="alert">{t('shell.signInWrong')}</p>}
      <p>
        <label>
          {t('shell.token')}{' '}
          <input type="password" autocomplete="off" aria-describedby="token-what" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>{' '}
        <button type="submit">{t('shell.signInGo')}</button>
      </p>
    </form>
  );
}

// Runs before everything else of the script is evaluated: what the page at this address shows first is on its
// way meanwhile.

import { askAhead } from './api/client';
import { learn } from './i18n';
import { dress } from './lib/theme';
import { parse, pathNow } from './lib/url';
import { curvesPath } from './pages/function/ask';

const view = parse(location.search);
const [page, namespace, name, more] = pathNow();

// A page in the background asks when it is looked at.
if (page === 'f' && name !== undefined && more === undefined && !document.hidden) askAhead(curvesPath(`${namespace}/${name}`, view));

dress(view.theme);

/** Fulfilled when there are words, or when there will be none. */
export const words = learn(view.lang);

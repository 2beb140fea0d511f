// The demo's page. Everything it shows comes from state.json and goes into the page as text.

const WORDS = {
  en: {
    what: 'watches four functions that really run on this machine, and tells a person when one fails. Troubles take turns; this page shows each one from its first failed call to the all-clear.',
    language: '中文',
    well: 'All is well. Next in {s} s: {next}',
    now: 'Now: {what}',
    since: 'For {s} s. {more}',
    after: 'Healed {s} s ago; Rampart waits for proof before it says so.',
    calls: '{n} calls so far.',
    recovered: 'The last trouble is over.',
    turns: 'The four troubles',
    links: 'See for yourself',
    phone: 'What people receive',
    none: 'Nothing yet: nobody is told while all is well.',
    ended: 'The demo has ended or does not answer. This is the last that was seen.',
    discovered: 'Discovered', chat: 'Chat', sms: 'Text message', call: 'Phone call', acknowledged: 'Acknowledged', resolved: 'Resolved', healed: 'Healed',
    notNeeded: 'not needed', waiting: '…',
    unit_fails: 'one of two units of guide/wow-video-feed fails',
    few_fail: '2 % of the calls of travel/rail-recommend fail',
    falls_silent: 'nobody calls store/coupon any more',
    data_late: 'the data comes late, while all functions are well',
    unit_fails_more: 'Every second call fails. The chat is told at once, then the person on call by text message, who answers.',
    few_fail_more: 'Few enough to be chance for a while: Rampart waits until it is sure, and tells the chat only.',
    falls_silent_more: 'No call can fail, and that is the trouble. Nobody answers the text message, so the phone rings.',
    data_late_more: 'It looks like silence and is none. Nobody may be woken for it; the chat hears that the data is late.',
    seen: 'discovered +{d} s, told +{t} s', quiet: 'nobody was woken', notYet: 'has not had its turn yet',
    im: 'Team chat', sms_medium: 'Text message', phone_medium: 'Phone call', to: 'to {person}',
    answer_acknowledged: '“I have it”', answer_asleep: 'sleeps on',
    fleet: 'Every function', function: 'The function in trouble: since when, where', incident: 'The incident with its whole timeline', incidents: 'All incidents',
  },
  zh: {
    what: '正在看护本机上真实运行的四个函数，出问题时通知到人。故障轮流出现；本页展示每次故障从第一个失败调用到恢复的全过程。',
    language: 'English',
    well: '一切正常。{s} 秒后：{next}',
    now: '现在：{what}',
    since: '已持续 {s} 秒。{more}',
    after: '{s} 秒前已修复；Rampart 要看到证据才会宣布恢复。',
    calls: '至今 {n} 次调用。',
    recovered: '上一次故障已经结束。',
    turns: '四种故障',
    links: '亲自看看',
    phone: '人们收到的消息',
    none: '还没有：一切正常时不会打扰任何人。',
    ended: '演示已结束或没有应答。以下是最后看到的内容。',
    discovered: '发现', chat: '群消息', sms: '短信', call: '电话', acknowledged: '认领', resolved: '恢复', healed: '修复',
    notNeeded: '不需要', waiting: '…',
    unit_fails: 'guide/wow-video-feed 两个单元之一全部失败',
    few_fail: 'travel/rail-recommend 有 2 % 的调用失败',
    falls_silent: 'store/coupon 不再有人调用',
    data_late: '数据迟到，而所有函数都正常',
    unit_fails_more: '每两次调用就有一次失败。先通知群，再发短信给值班人，值班人作出应答。',
    few_fail_more: '失败很少，一时分不清是否偶然：Rampart 等到有把握，只通知群。',
    falls_silent_more: '没有调用也就没有失败，这正是问题所在。短信无人应答，于是打电话。',
    data_late_more: '看起来像没有流量，其实不是。不应叫醒任何人；群里会得知数据迟到。',
    seen: '发现 +{d} 秒，通知 +{t} 秒', quiet: '没有叫醒任何人', notYet: '还没轮到',
    im: '团队群', sms_medium: '短信', phone_medium: '电话', to: '发给 {person}',
    answer_acknowledged: '“我来处理”', answer_asleep: '还在睡',
    fleet: '全部函数', function: '出问题的函数：从何时起、在哪里', incident: '事件及其完整时间线', incidents: '全部事件',
  },
};
const TROUBLES = ['unit_fails', 'few_fail', 'falls_silent', 'data_late'];
const FUNCTIONS = { unit_fails: 'guide/wow-video-feed', few_fail: 'travel/rail-recommend', falls_silent: 'store/coupon' };
const STEPS = ['discovered', 'chat', 'sms', 'call', 'acknowledged', 'healed', 'resolved'];

const asked = new URLSearchParams(location.search).get('lang');
const language = asked === 'zh' || (asked === null && /^zh\b/i.test(navigator.language)) ? 'zh' : 'en';
const say = (key, params = {}) => (WORDS[language][key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => params[name] ?? whole);
const byId = (id) => document.getElementById(id);

function put(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

function make(tag, text = '', name = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

const whole = (seconds) => Math.max(0, Math.round(seconds)).toString();

function showNow(state, round) {
  const { troubled, next, elapsed, calls } = state;
  byId('now').className = troubled ? 'troubled' : '';
  const past = round ? elapsed - round.began : 0;
  if (troubled && round) {
    put('now', say('now', { what: say(round.trouble) }));
    put('more', say('since', { s: whole(past), more: say(`${round.trouble}_more`) }));
    return;
  }
  put('now', say('well', { s: whole(next.in_seconds), next: say(next.trouble) }));
  const counted = say('calls', { n: calls.toLocaleString('en-US') });
  if (!round) put('more', counted);
  else if (round.resolved === null && round.discovered !== null) put('more', say('after', { s: whole(past - (round.healed ?? past)) }));
  else put('more', `${say('recovered')} ${counted}`);
}

function showSteps(state, round) {
  const list = byId('steps');
  list.replaceChildren();
  if (!round) return;
  const past = state.elapsed - round.began;
  const end = Math.max(60, ...STEPS.map((step) => round[step] ?? 0));
  const over = round.resolved !== null || past > 120;
  for (const step of STEPS) {
    const at = round[step];
    const line = make('li', '', at === null ? 'waiting' : '');
    const bar = make('span', '', 'bar');
    const filled = document.createElement('i');
    filled.style.width = `${Math.min(100, ((at ?? 0) / end) * 100)}%`;
    bar.append(filled);
    const text = at === null ? say(over ? 'notNeeded' : 'waiting') : `+${at.toFixed(1)} s`;
    line.append(make('span', say(step)), bar, make('span', text, 'at'));
    list.append(line);
  }
}

function showTurns(state, round) {
  const list = byId('turns');
  list.replaceChildren();
  for (const trouble of TROUBLES) {
    const current = state.troubled && round?.trouble === trouble;
    const line = make('li', '', current ? 'now' : '');
    const last = [...state.rounds].reverse().find((one) => one.trouble === trouble);
    let outcome = say('notYet');
    if (last && last.discovered !== null) outcome = say('seen', { d: last.discovered.toFixed(1), t: (last.chat ?? last.discovered).toFixed(1) });
    if (last && trouble === 'data_late') outcome = last.sms === null && last.call === null ? `${say('quiet')}${last.chat === null ? '' : ` · ${say('chat')} +${last.chat.toFixed(1)} s`}` : outcome;
    line.append(make('b', say(trouble)), document.createElement('br'), make('span', outcome, 'dim'));
    list.append(line);
  }
}

function showLinks(state, round) {
  const list = byId('links');
  const base = `${state.rampart_url.replace(/\/$/, '')}/`;
  const query = `?lang=${language}`;
  const links = [['fleet', query]];
  const named = round && FUNCTIONS[round.trouble];
  if (named) links.push(['function', `f/${named}${query}`]);
  if (round?.incident) links.push(['incident', `incidents/${encodeURIComponent(round.incident)}${query}`]);
  links.push(['incidents', `incidents${query}`]);
  const key = JSON.stringify(links);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...links.map(([name, path]) => {
    const line = make('li');
    const link = make('a', say(name));
    link.href = base + path;
    line.append(link);
    return line;
  }));
}

/** Markdown's signs are for chats; here the words are enough. A link is a button in the real app. */
function plain(text) {
  return text.replace(/\\([\\`*_{}[\]()#+\-.!|>~])/g, '$1').replace(/\*\*|^#+ /gm, '').replace(/`/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/https?:\/\/\S{60,}/g, (url) => `${url.slice(0, 48)}…`).replace(/\n{2,}/g, '\n').trim();
}

function showMessages(state) {
  const list = byId('messages');
  const key = JSON.stringify(state.messages.map((message) => [message.at, message.answer]));
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  if (state.messages.length === 0) {
    list.replaceChildren(make('li', say('none'), 'dim'));
    return;
  }
  list.replaceChildren(...state.messages.map((message) => {
    const line = make('li', '', message.medium);
    const head = make('div', '', 'head');
    const medium = message.medium === 'im' ? say('im') : say(`${message.medium}_medium`);
    const to = message.person ? ` ${say('to', { person: message.person })}` : '';
    const left = make('span');
    left.append(make('span', medium, 'medium'), to);
    head.append(left, make('time', new Date(message.time).toLocaleTimeString('en-GB', { hour12: false })));
    line.append(head, make('p', plain(message.text), 'text'));
    if (message.answer) line.append(make('p', say(`answer_${message.answer}`), 'answer'));
    return line;
  }));
  list.scrollTop = list.scrollHeight;
}

function show(state) {
  const round = state.rounds[state.rounds.length - 1];
  showNow(state, round);
  showSteps(state, round);
  showTurns(state, round);
  showLinks(state, round);
  showMessages(state);
}

let failures = 0;

async function look() {
  try {
    const answer = await fetch('state.json', { cache: 'no-store', signal: AbortSignal.timeout(3000) });
    show(await answer.json());
    failures = 0;
  } catch {
    failures += 1;
  }
  byId('ended').hidden = failures < 3;
  setTimeout(look, document.hidden ? 2000 : 500);
}

document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
put('what', say('what'));
put('turns-title', say('turns'));
put('links-title', say('links'));
put('phone-title', say('phone'));
put('ended', say('ended'));
byId('language').textContent = say('language');
byId('language').href = language === 'zh' ? '?lang=en' : '?lang=zh';
look();

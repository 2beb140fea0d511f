import type en from '../en/rules';

const words: Record<keyof typeof en, string> = {
  'rules.title': '规则',
  'rules.sum': '{n} 条规则，模式 {mode}，每秒检查一次',
  'rules.none': '没有配置规则。',
  'rules.quiet': '{n} 组标签均平静',
  'rules.error': '无法求值：{error}',
  'rules.unknown': '有 {n} 组标签无法判断：{why}',
  'rules.last': '检查于 {at}',
  'rules.never': '尚未检查',
  'rules.since': '自 {at} 起',
  'rules.measured': '测得 {value}',
  'rules.expected': '预期 {value}',
  'rules.remaining': '还差 {left}',
  'rules.more': '还有更多标签组未显示',
  'rules.declared': '规则原文',
};

export default words;

export default {
  'chart.time': '时间',
  'chart.asTable': '表格',
  'chart.asPicture': '图表',
  'chart.tableOf': '{title}（表格）',
  'chart.thinned': '共 {all} 个时刻，显示 {shown} 个，峰谷均保留；CSV 文件包含全部',
  'chart.empty': '这段时间没有数据。',
  'chart.incomplete': '数据尚未到齐，可能还会变化',
  'chart.keys': '左右方向键逐点移动，PageUp 与 PageDown 移动十分之一，Home 与 End 到两端，Esc 退出。',
  'chart.summary': '{title}，{unit}，{span}。{series}：最新 {newest}，最低 {lowest}，最高 {highest}。',
  'chart.summaryEmpty': '{title}，{unit}，{span}：没有数据。',
};

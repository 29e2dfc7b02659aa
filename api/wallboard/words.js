// Everything the page says, in both languages.
const WORDS = {
  en: {
    pages: "Pages", interface: "API", metrics: "metrics", filters: "What to show", token: "access token", enter: "show the floor",
    unknownToken: "this token is unknown or has expired", view: "view", queues: "Queues", agents: "Agents", site: "site",
    channel: "channel", group: "group", team: "team", find: "find", sort: "sort", theme: "colours", tv: "TV", all: "all",
    worst: "worst first", name: "by name", auto: "as the system", light: "light", dark: "dark",
    empty: "Nothing here matches the filters.", waiting: "waiting", oldest: "oldest wait", expected: "expected wait",
    counts: "answered / offered today", good: "target met", bad: "below target", none: "no contacts yet", unknown: "unknown",
    noThreshold: "no threshold set", target: (percent, seconds, variant) => `target ${percent} % in ${seconds} s · last 15 min · ${variant}`,
    connecting: "connecting…", lost: "connection lost, reconnecting – figures are old", noEvent: "no event yet",
    live: (seconds) => `live · newest event ${seconds} s ago`, stale: (seconds) => `stale: newest event ${seconds} s ago`,
    available: "available", reserved: "reserved", on_contact: "on contact", acw: "after-call work", not_ready: "not ready",
    ready: "ready", offline: "offline", state: "state", since: "for", reason: "reason", agent: "agent", serves: "queues", adherence: "adherence",
    in: "in adherence", out: "out of adherence", excused: "excused", unscheduled: "not scheduled",
    firing: (count) => (count === 1 ? "1 alert" : `${count} alerts`), page: "urgent", warning: "warning", info: "note",
    take: "Take in hand", taken: (who) => `taken in hand by ${who}`, who: "who you are", note: "note", cancel: "Cancel",
    notTaken: "that did not work: ", spark: "service level of the day, with its target", ago: (words) => `for ${words}`,
  },
  zh: {
    pages: "页面", interface: "接口", metrics: "指标", filters: "显示内容", token: "访问令牌", enter: "进入", unknownToken: "令牌无效或已过期",
    view: "视图", queues: "队列", agents: "坐席", site: "站点", channel: "渠道", group: "分组", team: "班组", find: "查找", sort: "排序",
    theme: "配色", tv: "大屏", all: "全部", worst: "最差优先", name: "按名称", auto: "跟随系统", light: "浅色", dark: "深色",
    empty: "没有符合条件的内容。", waiting: "当前排队数", oldest: "最长等待", expected: "预计等待", counts: "今日接听 / 呼入",
    good: "达标", bad: "未达标", none: "暂无联络", unknown: "未知", noThreshold: "未设阈值",
    target: (percent, seconds, variant) => `目标 ${seconds} 秒内 ${percent} % · 近15分钟 · ${variant}`,
    connecting: "连接中…", lost: "连接中断，正在重连——数据已过时", noEvent: "尚无事件",
    live: (seconds) => `实时 · 最新事件 ${seconds} 秒前`, stale: (seconds) => `数据过时：最新事件 ${seconds} 秒前`,
    available: "空闲", reserved: "振铃", on_contact: "通话中", acw: "话后处理", not_ready: "未就绪", ready: "就绪", offline: "离线",
    state: "状态", since: "时长", reason: "原因", agent: "坐席", serves: "队列", adherence: "排班遵守",
    in: "遵守", out: "未遵守", excused: "已豁免", unscheduled: "无排班",
    firing: (count) => `${count} 条告警`, page: "紧急", warning: "警告", info: "提示",
    take: "认领", taken: (who) => `${who} 已认领`, who: "您的姓名", note: "备注", cancel: "取消", notTaken: "操作失败：",
    spark: "当日服务水平与目标", ago: (words) => `已持续 ${words}`,
  },
};

export const LANGUAGES = { en: "English", zh: "中文" };
let chosen = "en";

// Choose the language, and say everything in the page that does not change.
export function speak(language) {
  chosen = LANGUAGES[language] ? language : "en";
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  translate(document);
}

export const spoken = () => chosen;

export function translate(part) {
  part.querySelectorAll("[data-words]").forEach((element) => {
    const words = say(element.dataset.words);
    if (element.dataset.into) element.setAttribute(element.dataset.into, words);
    else element.textContent = words;
  });
}

export function say(name, ...values) {
  const words = WORDS[chosen][name] ?? name;
  return typeof words === "function" ? words(...values) : words;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

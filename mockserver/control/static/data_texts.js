// Chinese for what the control API sends in English: scenarios, the titles of variants, the names of errors.
import { language } from "./lib.js";

const CHINESE = {
  "The callback of each task comes twice.": "每个任务的回调会到达两次。",
  "Delivery at least once, which the receiver must expect.": "至少一次的投递，接收方必须能应对。",
  "The callback of each task comes late.": "每个任务的回调会迟到。",
  "A provider that is late with its callbacks.": "提供商的回调延迟。",
  "The callback of each task is never sent.": "每个任务的回调都不会发送。",
  "A receiver that was down for longer than the provider tries.": "接收方停机的时间比提供商重试的时间更长。",
  "The callback of each task comes after a later one.": "每个任务的回调会晚于后一个任务的回调。",
  "Callbacks that overtake each other.": "回调的次序颠倒。",
  "The content of the first two requests is refused, at once or by their tasks.":
    "前两个请求的内容会被拒绝，立即拒绝或由任务拒绝。",
  "The documented refusal of a prompt or an image by the provider's content inspection.":
    "文档中提供商内容审核对提示词或图片的拒绝。",
  "The connection of the first request is cut before the answer, although the request may have been charged.":
    "第一个请求的连接在响应之前断开，但请求可能已经扣费。",
  "A gateway or network that loses an answer.": "网关或网络丢失了响应。",
  "The connection of the first request is cut in the middle of the answer.": "第一个请求的连接在响应中途断开。",
  "A gateway or network that loses half of an answer.": "网关或网络丢失了一半响应。",
  "One request in five is answered with 500.": "每五个请求中有一个以 500 响应。",
  "The documented 500, which asks to try again later.": "文档中的 500，要求稍后重试。",
  "One image of each request is missing in the answer.": "每个请求的响应中缺少一张图片。",
  "The documented answer with fewer images than requested, of which only those are charged.":
    "文档中图片少于请求数的响应，只对这些图片扣费。",
  "Two requests succeed, then the key is not valid any more.": "两个请求成功，之后密钥失效。",
  "The documented 401 of a key that was revoked while the program runs.": "文档中密钥在程序运行期间被吊销时的 401。",
  "The links to the images of the first two requests cannot be opened any more.": "前两个请求的图片链接无法再打开。",
  "Links that are opened after the documented time, for which they are valid.": "在文档规定的有效期之后打开链接。",
  "The JSON of the first answer ends in the middle, although its length is right.":
    "第一个响应的 JSON 在中途结束，但长度正确。",
  "A gateway or cache that stores half of an answer; the request was charged.":
    "网关或缓存只保存了一半响应；请求已经扣费。",
  "Two requests succeed, then the balance is used up.": "两个请求成功，之后余额用尽。",
  "The documented status of an account without balance: 402 at EvoLink, 403 elsewhere.":
    "文档中余额不足的状态码：EvoLink 为 402，其他为 403。",
  "For 30 seconds every request is answered with 500, then all is well.":
    "30 秒内每个请求都以 500 响应，之后恢复正常。",
  "The documented 500 while a provider recovers: a program that gives up earlier does not outlast it.":
    "文档中提供商恢复期间的 500：过早放弃的程序无法坚持到恢复。",
  "The first three requests are refused with 429 and Retry-After, the next ones succeed.":
    "前三个请求以 429 和 Retry-After 拒绝，之后的请求成功。",
  "The documented 429 of a key that sent more requests than its limit.": "文档中密钥的请求超过限额时的 429。",
  "Two answers take three seconds longer; the third never comes, and the connection ends after ten seconds.":
    "两个响应慢三秒；第三个不会到达，连接在十秒后结束。",
  "A gateway that gives up on a generation that takes too long, as it is observed behind any load balancer.":
    "网关放弃耗时过长的生成，负载均衡之后常见。",
  "Each task fails after it was running.": "每个任务在运行后失败。",
  "The documented failures of tasks that took too long.": "文档中耗时过长的任务的失败。",
  "The content of each task is refused after it was running.": "每个任务的内容在运行后被拒绝。",
  "The documented failures of tasks whose input or output was inspected.": "文档中输入或输出经审核后任务的失败。",
  "Text to image": "文生图",
  "Text to image, simplified format": "文生图，简化格式",
  "Text to image, full format": "文生图，完整格式",
  "Text to image as a task": "文生图（任务）",
  "Text to image as a task, in the messages form": "文生图（任务，messages 格式）",
  "Text to image and image editing with the 2.0 models": "2.0 模型的文生图和图像编辑",
  "Text to image and image editing with the 2.1 and 3.0 models": "2.1 和 3.0 模型的文生图和图像编辑",
  "Text to image and image editing with the 2.1 and 3.0 models, as a task": "2.1 和 3.0 模型的文生图和图像编辑（任务）",
  "Images in OpenAI's form": "OpenAI 格式的图像",
  "Image editing": "图像编辑",
  "Image editing with the basic model": "基础模型的图像编辑",
  "Image editing with qwen-image-edit-plus": "qwen-image-edit-plus 的图像编辑",
  "Image editing with the max and plus models": "max 和 plus 模型的图像编辑",
  "bad image": "图片无效",
  forbidden: "无权限",
  "image dimensions": "图片宽高不符",
  "image format": "图片格式错误",
  "image quantity": "图片数量超限",
  "image size": "图片尺寸不支持",
  "insufficient balance": "余额不足",
  internal: "内部错误",
  invalid: "参数无效",
  "lack of parts": "缺少图片或文本",
  malformed: "请求格式错误",
  "no messages": "没有消息",
  "not asynchronous": "不支持异步调用",
  "not synchronous": "不支持同步调用",
  "one message": "只允许一条消息",
  "query internal": "查询时内部错误",
  "query rate limited": "查询过于频繁",
  "query unauthorized": "查询未认证",
  "rate limited": "请求过于频繁",
  refused: "内容被拒绝",
  "single image": "只能生成一张图片",
  "task forbidden": "无权访问任务",
  "task id invalid": "任务 ID 无效",
  "task not cancellable": "任务无法取消",
  "task not found": "任务不存在",
  unauthorized: "未认证",
  "unknown model": "未知模型",
};

/** Return a sentence of the control API in the page's language, as far as there is one. */
export const said = (text) => (language === "zh" ? (CHINESE[text] ?? text) : text);

/** Return the sentences that have a translation. */
export const translated = () => Object.keys(CHINESE);

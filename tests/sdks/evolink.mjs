// The vendor's own client for EvoLink, its base URL injected through its configuration. Prints what it saw as JSON.
import { apiRequest, queryTask } from "@evolinkai/evolink-media/dist/core/src/services/api-client.js";
import { formatTaskResult } from "@evolinkai/evolink-media/dist/core/src/tools/check-task.js";

const [origin] = process.argv.slice(2);
const config = { channel: "official", baseUrl: `${origin}/evolink` };
const body = { prompt: "a cat", model: "qwen-image-edit", image_urls: ["https://example.com/image1.png"] };

const created = await apiRequest(config, { method: "POST", path: "/v1/images/generations", body });
let task = await queryTask(config, created.id);
const statuses = [task.status];
while (!["completed", "failed"].includes(task.status)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  task = await queryTask(config, created.id);
  statuses.push(task.status);
}
let refused;
try {
  await apiRequest(config, { method: "POST", path: "/v1/images/generations", body: { ...body, image_urls: [] } });
} catch (error) {
  refused = [error.name, error.status, error.message];
}
console.log(JSON.stringify({ created, statuses, results: task.results, told: formatTaskResult(task), refused }));

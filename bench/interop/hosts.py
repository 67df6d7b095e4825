#!/usr/bin/env python3
"""hosts.py [qwen-layerwise | qwen-mooncake | deepseek | meetings …]   both guides, word for word, on hosts of their own.

Each host is a network namespace on one bridge, with the guide's own address and interface, and a mount namespace with the guide's own paths. Pointed at
Tandem are only `vllm`, `python` (the proxies) and `gen_ranktable.sh`, by programs of these names that come first in PATH; into the DeepSeek guide's
prefill script goes the backslash that it forgets. Then faults that loopback cannot make: each host is cut off (silently: nothing is reset) and healed
while requests run, one sends over a slow link, one is missing when nodes meet.
Shown: every request is answered within its deadline, with the tokens that were given before the fault or with an error; after the fault all are
right again.
Needs: this repository built, root, iproute2, util-linux, python3. Exit: 0 all passed, 1 something failed, 3 something could NOT be tested.
TANDEM          another command line
KEEP            a folder for the logs of all processes, which is kept
"""
import concurrent.futures, json, os, re, shutil, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
TANDEM = os.environ.get("TANDEM", os.path.join(ROOT, "tandem"))
GUIDES = os.path.join(ROOT, "fixtures", "guides")
GOLDEN = os.path.join(ROOT, "fixtures", "golden")
REQUESTS = 16
# Seconds in which a request that meets a fault must be answered, one way or the other.
DEADLINE_S = 30
READY_S = 240

passed = failed = untested = 0


def check(name, is_well, why=""):
    global passed, failed
    passed, failed = passed + bool(is_well), failed + (not is_well)
    print(f"{'ok     ' if is_well else 'FAILED '} {name}{'' if is_well else ': ' + str(why)[:1500]}", flush=True)
    return is_well


def not_tested(why):
    global untested
    untested += 1
    print(f"{'#' * 64}\n# HOSTS NOT TESTED: {why}\n{'#' * 64}", file=sys.stderr, flush=True)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Hosts:
    """Hosts 1, 2, … with a switch between them, which is a namespace too, so that nothing shows on this machine's own interfaces."""

    def __init__(self, nic, addresses, mounts):
        """mounts: folders of the guide to folders of ours"""
        self.nic, self.addresses, self.mounts = nic, addresses, mounts
        self.mark = f"td{os.getpid()}"
        self.made = []

    def __enter__(self):
        for target in self.mounts:
            missing = target
            while not os.path.exists(os.path.dirname(missing)):
                missing = os.path.dirname(missing)
            if not os.path.exists(target):
                os.makedirs(target)
                self.made.append((missing, target))
        ip("netns", "add", self.switch())
        ip("-n", self.switch(), "link", "add", "sw", "type", "bridge")
        ip("-n", self.switch(), "link", "set", "sw", "up")
        for n, address in enumerate(self.addresses, 1):
            ip("netns", "add", self.name(n))
            ip("-n", self.switch(), "link", "add", f"p{n}", "type", "veth", "peer", "name", self.nic, "netns", self.name(n))
            ip("-n", self.switch(), "link", "set", f"p{n}", "master", "sw", "up")
            ip("-n", self.name(n), "address", "add", f"{address}/24", "dev", self.nic)
            ip("-n", self.name(n), "link", "set", self.nic, "up")
            ip("-n", self.name(n), "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for name in [self.name(n) for n in range(1, len(self.addresses) + 1)] + [self.switch()]:
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        for missing, target in self.made:  # empty folders that were mounted over
            while len(target) >= len(missing):
                os.rmdir(target)
                target = os.path.dirname(target)

    def switch(self):
        return self.mark + "s"

    def name(self, n):
        return f"{self.mark}h{n}"

    def command(self, n, words):
        mounts = "".join(f"mount --bind {own} {target} && " for target, own in self.mounts.items())
        return ["ip", "netns", "exec", self.name(n), "unshare", "-m", "--propagation", "private", "bash", "-c", mounts + 'exec "$@"', "-", *words]

    def run(self, n, words, **settings):
        return subprocess.run(self.command(n, words), capture_output=True, text=True, timeout=120, **settings)

    def cut(self, n):
        ip("-n", self.switch(), "link", "set", f"p{n}", "down")

    def heal(self, n):
        ip("-n", self.switch(), "link", "set", f"p{n}", "up")

    def rate(self, n, rate):
        verb = ["del", "dev", self.nic, "root"]
        if rate:
            verb = ["replace", "dev", self.nic, "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"]
        return subprocess.run(["ip", "netns", "exec", self.name(n), "tc", "qdisc", *verb], capture_output=True, text=True)


class Guide:
    def __init__(self, file):
        self.blocks, section, tab, block = [], "", "", None
        with open(os.path.join(GUIDES, file)) as lines:
            for line in lines:
                if line.startswith("```"):
                    if block is not None:
                        self.blocks.append((section, tab, "".join(block)))
                    block = [] if block is None else None
                elif block is not None:
                    block.append(line)
                elif line.startswith("#"):
                    section, tab = line.lstrip("#").strip(), ""
                elif "{tab-item}" in line:
                    tab = line.split("}")[1].strip()

    def nodes(self, section):
        return [(tab, text) for where, tab, text in self.blocks if where == section and "vllm serve" in text]

    def one(self, part):
        return next(text for _, _, text in self.blocks if part in text)


class Deployment:
    """Processes on hosts, each a shell that runs a block of the guide."""

    def __init__(self, hosts, logs):
        self.hosts, self.logs, self.processes = hosts, logs, []
        self.programs = os.path.join(logs, "programs")
        os.makedirs(self.programs)
        self.program("vllm", f'exec {TANDEM} "$@"')
        self.program(
            "python",
            'program=$1; shift; case $program in *layerwise*) set -- --layerwise "$@";; *proxy*) ;; *) exit 127;; esac\n'
            f'exec {TANDEM} proxy "$@"',
        )

    def program(self, name, text, folder=None):
        path = os.path.join(folder or self.programs, name)
        with open(path, "w") as file:
            file.write(f"#!/bin/bash\n{text}\n")
        os.chmod(path, 0o755)

    def start(self, n, name, script, folder=ROOT, variables=()):
        path = os.path.join(self.logs, name.replace(" ", "-"))
        environment = os.environ | {"PATH": self.programs + ":" + os.environ["PATH"]} | dict(variables)
        with open(path + ".log", "w") as log:
            process = subprocess.Popen(
                self.hosts.command(n, ["bash", "-c", script]),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, env=environment, start_new_session=True,
            )
        self.processes.append((name, process, path + ".log"))
        return process

    def ask(self, n, url, bodies, timeout_s):
        """Posts all bodies at once from host n; a list of [status, tokens or text, seconds]."""
        words = [sys.executable, os.path.realpath(__file__), "--ask", url, str(timeout_s)]
        done = subprocess.run(
            self.hosts.command(n, words), input=json.dumps(bodies), capture_output=True, text=True, timeout=timeout_s + 60)
        return json.loads(done.stdout) if done.returncode == 0 else [[0, done.stderr, 0.0]] * len(bodies)

    def await_nodes(self, n, proxy, prefill, decode):
        """Waits until the proxy tells so many healthy nodes."""
        deadline = time.time() + READY_S
        said = ""
        while time.time() < deadline:
            [[status, said, _]] = self.ask(n, proxy + "/healthcheck", [None], 5)
            if status == 200 and counts(said) == (prefill, decode):
                return True
            dead = [(name, log) for name, process, log in self.processes if process.poll() not in (None, 0)]
            if dead:
                said = f"{dead[0][0]} ended: {tail(dead[0][1])}"
                break
            time.sleep(0.5)
        check("all nodes are healthy", False, said)
        return False

    def stop(self):
        for _, process, _ in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for _, process, _ in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def counts(page):
    """Healthy prefill and decode nodes by the proxy's /healthcheck."""
    try:
        told = json.loads(page)
    except ValueError:
        return None
    return told.get("prefill_healthy"), told.get("decode_healthy")


def tail(path, lines=6):
    with open(path) as file:
        return " | ".join(file.read().splitlines()[-lines:])


def ask_one(url, body, timeout_s):
    begun = time.time()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout_s) as reply:
            text = reply.read().decode()
            if body is None:
                return [reply.status, text, time.time() - begun]
            choice = json.loads(text)["choices"][0]
            return [reply.status, choice.get("token_ids") or choice["text"], time.time() - begun]
    except urllib.error.HTTPError as e:
        return [e.code, e.read().decode(errors="replace"), time.time() - begun]
    except OSError as e:
        return [0, f"no answer: {e}", time.time() - begun]


def ask_all(url, timeout_s):
    bodies = json.load(sys.stdin)
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        print(json.dumps(list(pool.map(lambda body: ask_one(url, body, timeout_s), bodies))))


def questions(model):
    prompts = [f"Tell me about {subject} in a few words." for subject in "rivers trees stones birds".split()]
    return [
        {"model": model, "prompt": f"{prompts[i % 4]} {i % 8}", "max_tokens": 12, "temperature": 0, "return_token_ids": True}
        for i in range(REQUESTS)
    ]


def judge(name, replies, right):
    """Each reply is the right one, or an error of a server that says what is the matter."""
    wrong = [reply for reply, expected in zip(replies, right) if reply[0] == 200 and reply[1] != expected]
    silent = [reply for reply in replies if reply[0] == 0]
    errors = [reply for reply in replies if reply[0] >= 400]
    slowest = max(reply[2] for reply in replies)
    note = f"{sum(reply[0] == 200 for reply in replies)} right, {len(errors)} told an error, slowest {slowest:.1f} s"
    check(f"{name}: {note}", not wrong and not silent, f"wrong {wrong[:2]} unanswered {silent[:2]}")


def faults(deployment, proxy_host, proxy, model, prefill, decode):
    """Every host cut off and healed while requests run; then a slow link."""
    asked = questions(model)
    right = [reply[1] for reply in deployment.ask(proxy_host, proxy + "/v1/completions", asked, 120)]
    hosts = deployment.hosts
    for n, address in enumerate(hosts.addresses, 1):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(deployment.ask, proxy_host, proxy + "/v1/completions", asked, DEADLINE_S)
            time.sleep(0.3)
            hosts.cut(n)
            judge(f"{address} is cut off under 16 requests", under_way.result(), right)
        judge(f"{address} stays cut off", deployment.ask(proxy_host, proxy + "/v1/completions", asked, DEADLINE_S), right)
        hosts.heal(n)
        if not deployment.await_nodes(proxy_host, proxy, prefill, decode):
            return
        again = deployment.ask(proxy_host, proxy + "/v1/completions", asked, 120)
        check(f"{address} is healed: all right again", [reply[:2] for reply in again] == [[200, tokens] for tokens in right], again)
    for rate in ("1gbit", "100mbit"):
        limited = hosts.rate(1, rate)
        if limited.returncode != 0:
            not_tested(f"a link of {rate}: {limited.stderr.strip()}")
            continue
        judge(f"a link of {rate}", deployment.ask(proxy_host, proxy + "/v1/completions", asked, 120), right)
        hosts.rate(1, None)


def verify(deployment, n, curl):
    """The guide's own request, by its own curl."""
    done = deployment.hosts.run(n, ["bash", "-c", curl.replace("curl ", "curl -s --noproxy '*' --max-time 120 ", 1)])
    try:
        text = json.loads(done.stdout)["choices"][0]["text"]
    except (ValueError, KeyError, TypeError):
        text = ""
    check("the guide's own request is answered", text, done.stdout + done.stderr)


def qwen(variant, logs):
    guide = Guide("qwen3-235b-2p1d-mooncake.md")
    checkpoint = os.path.join(GOLDEN, "qwen3-moe-w8a8")
    addresses = [f"192.0.0.{n}" for n in range(1, 5)]
    mounts = {f"{folder}/Qwen3-235B-A22B-W8A8": checkpoint for folder in ("/model", "/mnt/weight")}
    with Hosts("eth0", addresses, mounts) as hosts:
        deployment = Deployment(hosts, logs)
        try:
            nodes = guide.nodes(variant)
            check(f"the guide has four nodes ({variant})", len(nodes) == 4, [tab for tab, _ in nodes])
            for n, (tab, script) in enumerate(nodes, 1):
                deployment.start(n, tab, script)
            proxy = guide.one("load_balance_proxy_layerwise_server_example.py \\")
            if variant == "mooncake":  # the guide has one proxy for both, whose name is the layerwise one's
                proxy = proxy.replace("_layerwise", "")
            deployment.start(1, "proxy", proxy)
            url = "http://192.0.0.1:8080"
            if deployment.await_nodes(1, url, 2, 1):
                verify(deployment, 1, guide.one("curl http"))
                faults(deployment, 1, url, "qwen3-moe", 2, 1)
        finally:
            deployment.stop()


def deepseek(logs):
    guide = Guide("deepseek-v3.2-1p1d-llmdatadist.md")
    folder = os.path.join(logs, "vllm-ascend", "examples", "disaggregated_prefill_v1")
    os.makedirs(folder)
    # The guide's page and its scripts spell this folder in two ways.
    os.symlink("disaggregated_prefill_v1", os.path.join(os.path.dirname(folder), "disaggregate_prefill_v1"))
    mounts = {
        "/root/.cache/weights/dpsk_w8a8": os.path.join(GOLDEN, "deepseek-v3.2-w8a8"),
        "/vllm-workspace/vllm-ascend": os.path.join(logs, "vllm-ascend"),
    }
    with Hosts("enp23s0f3", ["172.22.0.218", "172.22.0.155"], mounts) as hosts:
        deployment = Deployment(hosts, logs)
        deployment.program("gen_ranktable.sh", f'exec {TANDEM} ranktable --device cpu "$@"', folder)
        try:
            table = guide.one("bash gen_ranktable.sh")
            meetings = [deployment.start(n, f"ranktable {n}", table, folder=logs) for n in (1, 2)]
            for n, meeting in enumerate(meetings, 1):
                check(f"the rank table is made on host {n}", meeting.wait(120) == 0, tail(deployment.processes[n - 1][2]))
            deployment.processes.clear()
            scripts = [text.replace("}}'\n--kv", "}}' \\\n--kv") for _, text in guide.nodes("Prefiller / Decoder Deployment")]
            for n, (name, script) in enumerate(zip(("prefill", "decode"), scripts), 1):
                # The small checkpoint has fewer positions than the guide's length.
                deployment.start(n, name, script, variables={"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}.items())
            deployment.start(1, "proxy", guide.one("load_balance_proxy_server_example.py \\"))
            url = "http://172.22.0.218:8080"
            if deployment.await_nodes(1, url, 1, 1):
                verify(deployment, 1, guide.one("curl http"))
                faults(deployment, 1, url, "deepseek_v3.2", 1, 1)
        finally:
            deployment.stop()


def meetings(logs):
    """tandem check and tandem ranktable between hosts, all there and one missing."""
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    table = ["ranktable", "--ips", *addresses, "--npus-per-node", "2", "--network-card-name", "eth0", "--device", "cpu",
             "--prefill-device-cnt", "2", "--decode-device-cnt", "4", "--deadline", "15"]
    survey = ["check", "--peers", *addresses, "--deadline", "15"]
    with Hosts("eth0", addresses, {}) as hosts:
        for name, words in (("ranktable", table), ("check", survey)):
            for there in ([1, 2, 3], [1, 3]):
                folders = [tempfile.mkdtemp(dir=logs) for _ in there]
                started = [
                    subprocess.Popen(hosts.command(n, [TANDEM, *words]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     stdin=subprocess.DEVNULL, cwd=folder)
                    for n, folder in zip(there, folders)
                ]
                said = [process.communicate(timeout=120)[0] for process in started]
                codes = [process.returncode for process in started]
                if len(there) == 3:
                    check(f"tandem {name}: three hosts meet", codes == [0, 0, 0], (codes, said[0][-600:]))
                else:
                    named = addresses[1] in said[0]
                    check(f"tandem {name}: a missing host is named", all(codes) and named, (codes, said[0][-600:]))


def main(parts):
    if os.geteuid() != 0:
        not_tested("needs root")
    elif not all(shutil.which(program) for program in ("ip", "tc", "unshare", "curl")):
        not_tested("needs ip and tc (iproute2), unshare (util-linux) and curl")
    else:
        for part in parts or ["qwen-layerwise", "qwen-mooncake", "deepseek", "meetings"]:
            print(f"== {part}", flush=True)
            kept = os.environ.get("KEEP")
            logs = os.path.join(kept, part) if kept else tempfile.mkdtemp(prefix="tandem-hosts-")
            os.makedirs(logs, exist_ok=True)
            try:
                {"deepseek": deepseek, "meetings": meetings}.get(part, lambda logs: qwen(part.removeprefix("qwen-"), logs))(logs)
            finally:
                if not kept:
                    shutil.rmtree(logs, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {untested} not tested")
    sys.exit(1 if failed else 3 if untested else 0)


if sys.argv[1:2] == ["--ask"]:
    ask_all(sys.argv[2], int(sys.argv[3]))
else:
    main(sys.argv[1:])

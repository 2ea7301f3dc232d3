"""What manifests say of one another: names, mounts, who may speak with whom, how many may go at once. Kubernetes itself would
take most of what is complained of here, and the installation would then stand still, or open.

`documents` are those of one overlay as kustomize renders it; every function returns its complaints.
"""
import re

COMPONENT = "app.kubernetes.io/component"
# (from, to, port): what an installation lives by. A word in capitals is a namespace.
CONVERSATIONS = [("gateway", "server", "grpc"), ("gateway", "server", "admin"), ("MONITORING", "server", "metrics"), ("ANYBODY", "gateway", "calls")]
IN_THE_IMAGE = "/usr/share/videodiffcr"
UNITS = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}


def of_kind(documents, *kinds):
    return [each for each in documents if each["kind"] in kinds]


def name_of(document):
    return document["metadata"]["name"]


def workloads(documents):
    """{component: the StatefulSet or Deployment whose pods it is}."""
    return {each["spec"]["template"]["metadata"]["labels"][COMPONENT]: each for each in of_kind(documents, "StatefulSet", "Deployment")}


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)(\w*)", str(text)).groups()
    return float(number) * (UNITS[unit] if unit else 1)


def check_names(documents):
    """Whatever is called by name is there."""
    names = {(each["kind"], name_of(each)) for each in documents}
    asked = []
    for component, workload in workloads(documents).items():
        pod = workload["spec"]["template"]["spec"]
        asked.append((component, "ServiceAccount", pod["serviceAccountName"]))
        if workload["kind"] == "StatefulSet":
            asked.append((component, "Service", workload["spec"]["serviceName"]))
        for volume in pod.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                asked.append((component, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
            if "configMap" in volume:
                asked.append((component, "ConfigMap", volume["configMap"]["name"]))
    for scaler in of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        asked.append((scaler["kind"], target["kind"], target["name"]))
    return [f"{who} wants the {kind} {name}, which is not there" for who, kind, name in asked if (kind, name) not in names]


def check_selectors(documents):
    """Whoever selects pods selects some."""
    known = workloads(documents)
    complaints = []
    for document in of_kind(documents, "Service", "PodMonitor", "NetworkPolicy", "PodDisruptionBudget"):
        spec = document["spec"]
        selector = spec["podSelector"] if document["kind"] == "NetworkPolicy" else spec["selector"]
        component = selector.get("matchLabels", selector).get(COMPONENT)
        if component not in known:
            complaints.append(f"{document['kind']} {name_of(document)} selects {component}, no pod is one")
    for component, workload in known.items():
        for spread in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            if spread["labelSelector"]["matchLabels"].get(COMPONENT) != component:
                complaints.append(f"{component} is spread over {spread['topologyKey']} by the labels of others")
    return complaints


def check_mounts(documents):
    """Files that flags name are on a volume or in the image, and a GPU is asked for by who wants one."""
    complaints = []
    for component, workload in workloads(documents).items():
        pod = workload["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["containers"]:
            mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", [])}
            complaints += [f"{component} mounts {name}, which is no volume" for name in sorted(mounts.keys() - volumes)]
            places = [IN_THE_IMAGE, *mounts.values()]
            for argument in container["args"]:
                path = argument.split("=")[-1]
                if path.startswith("/") and not any(path.startswith(place + "/") for place in places):
                    complaints.append(f"{component}: {argument} is on no volume")
            flags = {argument.split("=")[0] for argument in container["args"]}
            if len(flags & {"--tls-certificate", "--tls-key"}) == 1:
                complaints.append(f"{component}: --tls-certificate and --tls-key go together")
            wants_gpu = "--device=cuda" in container["args"]
            if wants_gpu != ("nvidia.com/gpu" in container["resources"]["limits"]):
                complaints.append(f"{component}: --device=cuda and nvidia.com/gpu go together")
            for what, limit in container["resources"]["limits"].items():
                if quantity(container["resources"]["requests"][what]) > quantity(limit):
                    complaints.append(f"{component} asks for more {what} than its limit")
    return complaints


def matches(peers, labels, namespace):
    """Whether one of a rule's `peers` is the pods with `labels`, or any pod of `namespace`; no peers: everybody is."""
    if not peers:
        return True
    for peer in peers:
        pods, spaces = peer.get("podSelector", {}).get("matchLabels"), peer.get("namespaceSelector", {}).get("matchLabels")
        if namespace and spaces == {"kubernetes.io/metadata.name": namespace} and pods is None:
            return True
        if labels and spaces is None and pods is not None and pods.items() <= labels.items():
            return True
    return False


def admits(documents, component, direction, labels, namespace, port):
    """`port`: (its name or number, protocol)."""
    for policy in of_kind(documents, "NetworkPolicy"):
        if policy["spec"]["podSelector"]["matchLabels"].get(COMPONENT) != component:
            continue
        for rule in policy["spec"].get(direction, []):
            ports = [(each["port"], each.get("protocol", "TCP")) for each in rule.get("ports", [])]
            if matches(rule.get("from" if direction == "ingress" else "to"), labels, namespace) and (not ports or port in ports):
                return True
    return False


def check_conversations(documents):
    """Policies let through what the installation lives by, and keep everybody else from the servers' ports."""
    known = workloads(documents)
    complaints = []
    for speaker, listener, port in CONVERSATIONS:
        namespace = speaker.lower() if speaker.isupper() and speaker != "ANYBODY" else None
        labels = known[speaker]["spec"]["template"]["metadata"]["labels"] if speaker in known else None
        if not admits(documents, listener, "ingress", labels, namespace, (port, "TCP")):
            complaints.append(f"no policy lets {speaker.lower()} in to port {port} of {listener}")
        if labels and not admits(documents, speaker, "egress", known[listener]["spec"]["template"]["metadata"]["labels"], None, (port, "TCP")):
            complaints.append(f"no policy lets {speaker} out to port {port} of {listener}")
    for protocol in ("UDP", "TCP"):
        if not admits(documents, "gateway", "egress", None, "kube-system", (53, protocol)):
            complaints.append(f"no policy lets gateway ask for names by {protocol}")
    for port in ("grpc", "metrics", "admin"):
        if admits(documents, "server", "ingress", {COMPONENT: "stranger"}, "elsewhere", (port, "TCP")):
            complaints.append(f"strangers are let in to port {port} of server")
    return complaints


def least_replicas(documents, workload):
    for scaler in of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"):
        if scaler["spec"]["scaleTargetRef"]["name"] == name_of(workload):
            return scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount"))
    return workload["spec"].get("replicas", 1)


def check_disruption(documents):
    """When nodes are emptied, pods may go, and one stays."""
    complaints = []
    for budget in of_kind(documents, "PodDisruptionBudget"):
        workload = workloads(documents).get(budget["spec"]["selector"]["matchLabels"][COMPONENT])
        if workload is None:
            continue  # check_selectors() says so
        replicas = least_replicas(documents, workload)
        may_go = budget["spec"].get("maxUnavailable", replicas - budget["spec"].get("minAvailable", 0))
        if not 1 <= may_go < replicas:
            complaints.append(f"PodDisruptionBudget {name_of(budget)}: {may_go} of {replicas} pods may go at once; at least one must, and one must stay")
    return complaints


def check_probes_mean(documents):
    """A restart ends sessions: it is for what a restart mends. Who loads or drains is not ready, and alive."""
    pod = workloads(documents)["server"]["spec"]["template"]["spec"]
    server = next(each for each in pod["containers"] if each["name"] == "server")
    complaints = []
    if server["livenessProbe"]["grpc"].get("service") != "live":
        complaints.append("livenessProbe must ask 'live', or a drain ends with a restart")
    for kind in ("startupProbe", "readinessProbe"):
        if server[kind]["grpc"].get("service") == "live":
            complaints.append(f"{kind} must not ask 'live', which a server is before it serves")
    return complaints


def check_gateway(documents, envoy):
    """Envoy's pod is where its config listens, is probed where it answers, and stays for its streams. `envoy`: the config."""
    listener = envoy["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    pod = workloads(documents)["gateway"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    complaints = []
    port, listens = container["ports"][0]["containerPort"], listener["address"]["socket_address"]["port_value"]
    if port != listens:
        complaints.append(f"the gateway's port is {port}, Envoy listens on {listens}")
    answers = [header["string_match"]["exact"] for each in manager["http_filters"] for header in each["typed_config"].get("headers", [])]
    complaints += [f"{kind} asks {container[kind]['httpGet']['path']}, Envoy answers {answers}" for kind in ("readinessProbe", "livenessProbe")
                   if container[kind]["httpGet"]["path"] not in answers]
    stays = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    if pod["terminationGracePeriodSeconds"] <= stays:
        complaints.append(f"the gateway's grace period is {pod['terminationGracePeriodSeconds']} s, its streams are given {stays} s")
    return complaints


def check_what_services_say(documents, envoy):
    """A gateway in front of a Service goes by what it says its port speaks."""
    flags = workloads(documents)["server"]["spec"]["template"]["spec"]["containers"][0]["args"]
    tls = {"server": any(flag.startswith("--tls-certificate=") for flag in flags),
           "gateway": "transport_socket" in envoy["listeners"][0]["filter_chains"][0]}
    complaints = []
    for service in of_kind(documents, "Service"):
        wanted = "https" if tls[service["spec"]["selector"][COMPONENT]] else "kubernetes.io/h2c"
        complaints += [f"the Service {name_of(service)} says {port.get('appProtocol')} of port {port['name']}, which speaks {wanted}"
                       for port in service["spec"]["ports"] if port["name"] == "grpc" and port.get("appProtocol") != wanted]
    return complaints


def check_streams(envoy):
    """Nothing of Envoy's ends a stream that has nothing to say, and a full server is not a broken one."""
    manager = envoy["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    complaints = [f"Envoy's {name} ends streams: 0s is wanted" for name in ("stream_idle_timeout", "request_timeout") if manager.get(name) != "0s"]
    for host in manager["route_config"]["virtual_hosts"]:
        complaints += [f"Envoy's route {route['match']} ends streams: timeout: 0s is wanted" for route in host["routes"]
                       if route["route"].get("timeout") != "0s"]
    outliers = envoy["clusters"][0]["outlier_detection"]
    complaints += [f"Envoy's {name} puts out who is full: 0 is wanted" for name in ("enforcing_consecutive_5xx", "enforcing_success_rate")
                   if outliers.get(name) != 0]
    return complaints


def check_scaled_by(documents):
    """The autoscaler's figures are those that the adapter has."""
    config = next((each["data"]["config.yaml"] for each in of_kind(documents, "ConfigMap") if "config.yaml" in each["data"]), "")
    known = set(re.findall(r"^\s*as: (\w+)$", config, re.MULTILINE))
    wanted = {metric["pods"]["metric"]["name"] for each in of_kind(documents, "HorizontalPodAutoscaler") for metric in each["spec"]["metrics"]}
    return [f"the autoscaler wants {name}, the adapter has {sorted(known)}" for name in sorted(wanted - known)]


def check_references(documents, envoy):
    """`envoy`: the static resources of the gateway's config."""
    complaints = []
    for check in (check_names, check_selectors, check_mounts, check_conversations, check_disruption, check_probes_mean, check_scaled_by):
        complaints += check(documents)
    return complaints + check_gateway(documents, envoy) + check_what_services_say(documents, envoy) + check_streams(envoy)

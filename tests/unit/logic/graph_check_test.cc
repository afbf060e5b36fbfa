#include "controllers/logic/graph_check.h"

#include <gtest/gtest.h>

#include "controllers/logic/check.h"
#include "controllers/logic/compile.h"

namespace millrace::logic {
namespace {

using codec::Value;

crds::PipelineSpec spec_of(const std::string& json) {
  auto spec = codec::decode<crds::PipelineSpec>(json);
  EXPECT_TRUE(spec.ok()) << json << (spec.ok() ? "" : spec.error().message);
  return spec.ok() ? *spec : crds::PipelineSpec{};
}

/// All complaints, "path: message", a line each.
std::string complaints(const std::string& json) {
  crds::Pipeline pipeline;
  pipeline.metadata.name = "p";
  pipeline.spec = spec_of(json);
  std::string out;
  for (const auto& error : check_pipeline(pipeline, {})) {
    out += (out.empty() ? "" : "\n") + codec::to_string(error);
  }
  return out;
}

struct Case {
  const char* spec;
  const char* want;  ///< all complaints
};

/// Each spec has exactly the complaints that are wanted, and compiles only if there are none.
template <std::size_t N>
void hold(const Case (&cases)[N]) {
  for (const Case& c : cases) {
    const std::string want = c.want;
    EXPECT_EQ(complaints(c.spec), want) << c.spec;
    const auto plan = compile_graph(spec_of(c.spec));
    ASSERT_EQ(plan.ok(), want.empty()) << c.spec;
    if (plan.ok()) continue;
    EXPECT_EQ(plan.error().message, want.substr(0, want.find('\n'))) << c.spec;
  }
}

/// The same for what stands around: no part of a plan.
template <std::size_t N>
void hold_around(const Case (&cases)[N]) {
  for (const Case& c : cases) EXPECT_EQ(complaints(c.spec), c.want) << c.spec;
}

TEST(GraphCheck, NamesOfSteps) {
  hold({
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}}]})", ""},
      {R"({"steps":[{"name":"","wait":{"duration":"1s"}}]})", "spec.steps[0].name: required"},
      {R"({"steps":[{"name":"A","wait":{"duration":"1s"}}]})",
       "spec.steps[0].name: must be a DNS label: lower-case letters, digits and '-', with a letter "
       "or digit at both ends"},
      {R"({"steps":[{"name":"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefff",
           "wait":{"duration":"1s"}}]})",
       "spec.steps[0].name: at most 52 bytes"},
      {R"({"steps":[{"name":"x-callback-url","wait":{"duration":"1s"}}]})",
       "spec.steps[0].name: is the operator's own; choose another"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}}],
           "onError":[{"name":"b","wait":{"duration":"1s"}}],
           "finally":[{"name":"a","wait":{"duration":"1s"}},{"name":"b","wait":{"duration":"1s"}}]})",
       "spec.finally[0].name: another step is named a already (spec.steps[0])\n"
       "spec.finally[1].name: another step is named b already (spec.onError[0])"},
  });
}

TEST(GraphCheck, DependenciesAndStages) {
  hold({
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},"dependsOn":["fetsh","a"]},
                    {"name":"fetch","wait":{"duration":"1s"}}]})",
       "spec.steps[0].dependsOn[0]: there is no step fetsh; did you mean fetch?\n"
       "spec.steps[0].dependsOn[1]: a step cannot wait for itself"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},"dependsOn":["f"]}],
           "finally":[{"name":"f","wait":{"duration":"1s"},"dependsOn":["a"]}]})",
       "spec.steps[0].dependsOn[0]: step f runs after all of these (spec.finally[0])\n"
       "spec.finally[0].dependsOn[0]: step a has ended before anyway; leave it out"},
      {R"({"stages":["one"],"steps":[{"name":"a","stage":"two","wait":{"duration":"1s"}}],
           "onError":[{"name":"e","stage":"one","wait":{"duration":"1s"}}]})",
       "spec.steps[0].stage: unknown stage: two\n"
       "spec.onError[0].stage: stages are for steps only"},
      {R"({"stages":["one","one",""],"steps":[{"name":"a","wait":{"duration":"1s"}}]})",
       "spec.stages[1]: stage one is there twice\nspec.stages[2]: required"},
  });
}

TEST(GraphCheck, CyclesAreNamedStageByStageToo) {
  hold({
      {R"({"steps":[{"name":"z","wait":{"duration":"1s"}},
                    {"name":"a","wait":{"duration":"1s"},"dependsOn":["c","z"]},
                    {"name":"b","wait":{"duration":"1s"},"dependsOn":["a"]},
                    {"name":"c","wait":{"duration":"1s"},"dependsOn":["b"]},
                    {"name":"d","wait":{"duration":"1s"},"dependsOn":["c"]}]})",
       "spec.steps[1].dependsOn: these steps wait for each other: a -> c -> b -> a"},
      {R"({"stages":["one","two"],"steps":[
           {"name":"a","stage":"one","wait":{"duration":"1s"},"dependsOn":["b"]},
           {"name":"b","stage":"two","wait":{"duration":"1s"}}]})",
       "spec.steps[0].dependsOn: these steps wait for each other: a -> b -> a"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}}],
           "finally":[{"name":"x","wait":{"duration":"1s"},"dependsOn":["y"]},
                      {"name":"y","wait":{"duration":"1s"},"dependsOn":["x"]}]})",
       "spec.finally[0].dependsOn: these steps wait for each other: x -> y -> x"},
  });
}

TEST(GraphCheck, TemplatesOfEveryFieldAreRead) {
  // In each place: a text that does not parse, or names a param that is not there.
  const struct {
    const char* path;
    const char* step;  ///< without its name
  } cases[] = {
      {"container.args[1]", R"("container":{"image":"i","args":["ok","{{ params.no }}"]})"},
      {"containers[1].env[0].value",
       R"("containers":[{"name":"a","image":"i"},
          {"name":"b","image":"i","env":[{"name":"E","value":"x{{ params.no }}"}]}])"},
      {"http.url", R"("http":{"url":"http://h/{{ params.no }}"})"},
      {"http.headers[0].value",
       R"("http":{"url":"http://h","headers":[{"name":"A","value":"{{ params.no }}"}]})"},
      {"http.body.a[0]", R"("http":{"url":"http://h","body":{"a":["{{ params.no }}"]}})"},
      {"http.body", R"("http":{"url":"http://h","body":"{{ params.no }}"})"},
      {"http.success", R"("http":{"url":"http://h","success":"params.no"})"},
      {"http.success", R"("http":{"url":"http://h","success":"{{ params.no }}"})"},
      {"manifest.object.data.k",
       R"("manifest":{"object":{"apiVersion":"v1","kind":"K","metadata":{"name":"n"},
          "data":{"k":"{{ params.no }}"}}})"},
      {"manifest.failure",
       R"("manifest":{"object":{"apiVersion":"v1","kind":"K","metadata":{"name":"n"}},
          "failure":"params.no"})"},
      {"manifest.success",
       R"("manifest":{"object":{"apiVersion":"v1","kind":"K","metadata":{"name":"n"}},
          "success":"params.no"})"},
      {"approval.message", R"("approval":{"message":"{{ params.no }}?"})"},
      {"pipeline.params.x.y", R"("pipeline":{"name":"o","params":{"x":{"y":"{{ params.no }}"}}})"},
      {"wait.duration", R"("wait":{"duration":"{{ params.no }}s"})"},
      {"when", R"("when":"params.no","wait":{"duration":"1s"})"},
      {"when", R"("when":" {{ params.no }} ","wait":{"duration":"1s"})"},
      {"outputs.o", R"("http":{"url":"http://h"},"outputs":{"o":"params.no"})"},
      {"matrix.params.m",
       R"("wait":{"duration":"1s"},"matrix":{"params":{"m":"{{ params.no }}"}})"},
  };
  for (const auto& c : cases) {
    const std::string spec =
        R"({"params":[{"name":"yes"}],"steps":[{"name":"a",)" + std::string(c.step) + "}]}";
    const std::string path = "spec.steps[0]." + std::string(c.path);
    EXPECT_EQ(complaints(spec), path + ": params.no: the pipeline has no param no; it has yes");
    std::string good = spec;
    while (good.find("params.no") != std::string::npos) {
      good.replace(good.find("params.no"), 9, "params.yes");
    }
    EXPECT_EQ(complaints(good), "") << good;
    std::string bad = spec;
    bad.replace(bad.find("params.no"), 9, "params. ");
    EXPECT_TRUE(complaints(bad).starts_with(path + ": column ")) << complaints(bad);
  }
}

TEST(GraphCheck, ABareExpressionIsHeldToItsOwnColumns) {
  const std::string bare =
      complaints(R"({"steps":[{"name":"a","when":"1 == ","wait":{"duration":"1s"}}]})");
  EXPECT_EQ(bare, "spec.steps[0].when: column 7: expected a value, found the end");
  EXPECT_EQ(
      complaints(
          R"({"steps":[{"name":"a","when":"{{ true }} && {{ true }}","wait":{"duration":"1s"}}]})"),
      "spec.steps[0].when: must be one expression that is true or false, such as {{ a && b }}, "
      "without text around it");
}

TEST(GraphCheck, ReferencesToSteps) {
  hold({
      // Main: what it waits for, however far.
      {R"({"steps":[{"name":"a","http":{"url":"http://h"}},
           {"name":"b","wait":{"duration":"1s"},"dependsOn":["a"]},
           {"name":"c","when":"steps.a.response.status == 200","wait":{"duration":"1s"},
            "dependsOn":["b"]}]})",
       ""},
      {R"({"stages":["x","y"],"steps":[{"name":"a","stage":"x","http":{"url":"http://h"}},
           {"name":"b","stage":"y","when":"steps.a.response.body.k == 1","wait":{"duration":"1s"}}]})",
       ""},
      {R"({"steps":[{"name":"fetch","wait":{"duration":"1s"}},
           {"name":"b","when":"steps.fetsh.status == 'x'","wait":{"duration":"1s"}}]})",
       "spec.steps[1].when: steps.fetsh.status: there is no step fetsh; did you mean fetch?"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}},
           {"name":"b","when":"steps.a.status == 'x'","wait":{"duration":"1s"}}]})",
       "spec.steps[1].when: steps.a.status: step a need not have ended before this one begins; add "
       "it to dependsOn"},
      {R"({"steps":[{"name":"a","when":"steps.a.status == 'x'","wait":{"duration":"1s"}}]})",
       "spec.steps[0].when: steps.a.status: a step cannot read its own result so; in outputs, "
       "success and failure write response, object or outputs"},
      {R"({"steps":[{"name":"a","when":"steps[params.x].status == 'x'","wait":{"duration":"1s"}}],
           "params":[{"name":"x"}]})",
       "spec.steps[0].when: steps[params.x].status: name the step: steps.<step>.outputs.<name>"},
      // The other groups.
      {R"({"steps":[{"name":"a","wait":{"duration":"{{ steps.e.attempt }}s"}}],
           "onError":[{"name":"e","wait":{"duration":"{{ steps.a.attempt }}s"}},
                      {"name":"e2","wait":{"duration":"{{ steps.e.attempt }}s"}}],
           "finally":[{"name":"f","wait":{"duration":"{{ steps.a.attempt + steps.e.attempt }}s"}}]})",
       "spec.steps[0].wait.duration: steps.e.attempt: step e is in onError, which runs later\n"
       "spec.onError[1].wait.duration: steps.e.attempt: step e need not have ended before this one "
       "begins; add it to dependsOn"},
      // What of them.
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}},{"name":"b","dependsOn":["a"],
           "when":"steps.a.state == 'x' && steps.a.response.status == 1",
           "wait":{"duration":"1s"}}]})",
       "spec.steps[1].when: steps.a.state: a step has no state; it has status, outputs, response, "
       "reason, message, exitCode and attempt\n"
       "spec.steps[1].when: steps.a.response.status: step a makes no HTTP call, hence has no "
       "response"},
      {R"({"steps":[{"name":"a","http":{"url":"http://h"},"outputs":{"n":"response.body.n"}},
           {"name":"b","container":{"image":"i"}},
           {"name":"c","dependsOn":["a","b"],"when":"steps.a.outputs.n == steps.b.outputs.any",
            "wait":{"duration":"1s"}},
           {"name":"d","dependsOn":["a"],"when":"steps.a.outputs.m == 1 || steps.a.response.code == 1",
            "wait":{"duration":"1s"}}]})",
       "spec.steps[3].when: steps.a.outputs.m: step a has no output m; it has n\n"
       "spec.steps[3].when: steps.a.response.code: a response has status, headers and body"},
  });
}

TEST(GraphCheck, RootsStandWhereTheyExist) {
  hold({
      {R"({"steps":[{"name":"a","http":{"url":"http://h","success":"response.status < 300"},
           "outputs":{"x":"{{ response.headers.etag }}","y":"response.body"},
           "when":"run.attempt == 1 && trigger.body.k == run.name"},
          {"name":"b","container":{"image":"i"},"outputs":{"n":"outputs.rows | int"}},
          {"name":"c","manifest":{"object":{"apiVersion":"v1","kind":"K","metadata":{"name":"n"}},
           "success":"object.status.ready","failure":"(object.status.bad | default(false)) == true"},
           "outputs":{"ip":"object.status.ip"}}],
          "finally":[{"name":"f","when":"run.status != 'Succeeded' && 'a' in run.failedSteps",
           "wait":{"duration":"1s"}}]})",
       ""},
      {R"({"steps":[{"name":"a","http":{"url":"http://h/{{ response.status }}"}}]})",
       "spec.steps[0].http.url: response.status: there is no response here; known: params, run, "
       "trigger, steps"},
      {R"({"steps":[{"name":"a","http":{"url":"http://h","success":"outputs.x && object.y"}}]})",
       "spec.steps[0].http.success: outputs.x: there is no outputs here; known: params, run, "
       "trigger, steps, response\n"
       "spec.steps[0].http.success: object.y: there is no object here; known: params, run, "
       "trigger, steps, response"},
      {R"({"steps":[{"name":"a","when":"run.phase == 'x' && env.HOME == 'y'",
           "wait":{"duration":"1s"}}]})",
       "spec.steps[0].when: run.phase: a run has no phase; it has name, id, namespace, pipeline, "
       "attempt, status and failedSteps\n"
       "spec.steps[0].when: env.HOME: there is no env here; known: params, run, trigger, steps"},
      {R"({"steps":[{"name":"a","approval":{"message":"{{ .Response.s.j.Status }}"}}]})",
       "spec.steps[0].approval.message: .Response.s.j.Status: this spelling is for jobs; write "
       "steps.<step>.response.body.<key>, or run.pipeline for the name"},
      {R"({"concurrency":{"group":"{{ params.p }}-{{ run.name }}-{{ steps.a.status }}"},
           "params":[{"name":"p"}],"steps":[{"name":"a","wait":{"duration":"1s"}}]})",
       "spec.concurrency.group: steps.a.status: there is no steps here; known: params, run, "
       "trigger"},
  });
}

TEST(GraphCheck, Matrices) {
  hold({
      {R"({"params":[{"name":"l","type":"list"}],"steps":[{"name":"a","container":{"image":
           "{{ matrix.v }}-{{ matrix.w }}"},"matrix":{"params":{"v":"{{ params.l }}","w":[1,2]}}}]})",
       ""},
      {R"({"steps":[{"name":"a","container":{"image":"{{ matrix.v }}"}}]})",
       "spec.steps[0].container.image: matrix.v: the step has no matrix"},
      {R"({"steps":[{"name":"a","container":{"image":"{{ matrix.v }}"},"when":"matrix.w == 1",
           "matrix":{"params":{"w":[1]}}}]})",
       "spec.steps[0].when: matrix.w: there are no combinations yet; when and matrix are read once "
       "before\n"
       "spec.steps[0].container.image: matrix.v: matrix.params has no v"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},
           "matrix":{"params":{"a":[],"b":3,"c":"x{{ 1 }}","d":["{{ 1 }}"],"9":[1]}}}]})",
       "spec.steps[0].matrix.params.9: a name has letters, digits, '_' and '-', and begins with a "
       "letter\n"
       "spec.steps[0].matrix.params.a: must have at least one item\n"
       "spec.steps[0].matrix.params.b: must be a list, or an expression that gives one\n"
       "spec.steps[0].matrix.params.c: must be a list, or one expression {{ ... }} that gives a "
       "list\n"
       "spec.steps[0].matrix.params.d[0]: items are values, not templates; write the whole list as "
       "one expression, such as {{ [params.a, 'b'] }}"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},"matrix":{"params":{
           "a":[1,2,3,4],"b":[1,2,3,4],"c":[1,2,3,4],"d":[1,2,3,4]}}}]})",
       ""},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},"matrix":{"params":{
           "a":[1,2,3,4],"b":[1,2,3,4],"c":[1,2,3,4],"d":[1,2,3,4,5]}}}]})",
       "spec.steps[0].matrix: makes more than 256 combinations"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"},"matrix":{"params":{},"maxParallel":0}}]})",
       "spec.steps[0].matrix.maxParallel: must be between 1 and 256\n"
       "spec.steps[0].matrix.params: give at least one list"},
  });
}

TEST(GraphCheck, SettingsOfSteps) {
  hold({
      {R"({"steps":[{"name":"a"},{"name":"b","wait":{"duration":"1s"},"approval":{}}]})",
       "spec.steps[0]: give exactly one action: container, containers, http, manifest, approval, "
       "pipeline or wait\n"
       "spec.steps[1]: give exactly one action: container, containers, http, manifest, approval, "
       "pipeline or wait, not approval and wait"},
      {R"({"steps":[{"name":"a","wait":{"duration":"soon"},"timeout":"-1s","retry":{"limit":101,
           "backoff":{"initial":"-1s","factor":0.5,"max":"-2s"}}}]})",
       "spec.steps[0].timeout: must not be negative\n"
       "spec.steps[0].retry.limit: must be between 0 and 100\n"
       "spec.steps[0].retry.backoff.initial: must not be negative\n"
       "spec.steps[0].retry.backoff.max: must not be negative\n"
       "spec.steps[0].retry.backoff.factor: must be between 1 and 10\n"
       "spec.steps[0].wait.duration: \"soon\" is not a duration such as 1h15m30s: a number is "
       "missing"},
      {R"({"steps":[{"name":"a","wait":{"duration":"-1s"}},
           {"name":"b","approval":{"expires":"-1s","approvers":["ann","group:"]},"timeout":"1m"},
           {"name":"c","pipeline":{"name":"{{ params.x }}","maxRetryCount":-1}},
           {"name":"d","pipeline":{"name":""},"outputs":{"x":"1"}}]})",
       "spec.steps[0].wait.duration: must not be negative\n"
       "spec.steps[1].approval.expires: must not be negative\n"
       "spec.steps[1].timeout: an approval ends by approval.expires; write that\n"
       "spec.steps[1].approval.approvers[1]: names nobody\n"
       "spec.steps[2].pipeline.name: is not a template\n"
       "spec.steps[2].pipeline.maxRetryCount: must be between 0 and 100\n"
       "spec.steps[3].outputs: only container, containers, http and manifest have outputs to name\n"
       "spec.steps[3].pipeline.name: required"},
      {R"({"steps":[{"name":"a","manifest":{"object":{"kind":"K","metadata":{}}}},
                    {"name":"b","manifest":{"object":"x"}}]})",
       "spec.steps[0].manifest.object.apiVersion: required\n"
       "spec.steps[0].manifest.object.metadata.name: required; the object is applied by its name\n"
       "spec.steps[1].manifest.object: must be an object with apiVersion, kind and metadata.name"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}}],"parallelism":0,"finallyTimeout":"-1s",
           "concurrency":{"limit":0}})",
       "spec.parallelism: must be between 1 and 2000\n"
       "spec.finallyTimeout: must not be negative\n"
       "spec.concurrency.limit: must be between 1 and 1000"},
  });
}

TEST(GraphCheck, HttpCalls) {
  const struct {
    const char* http;
    const char* want;
  } cases[] = {
      {R"("url":"https://h:8443/p?q#f","method":"PATCH")", ""},
      {R"("url":"http://[::1]:80/")", ""},
      {R"("url":"{{ params.u }}")", ""},
      {R"("url":"http://{{ params.u }}/x y")", ""},
      {R"("url":"")", ".url: required"},
      {R"("url":"h/p")", ".url: must begin with http:// or https://"},
      {R"("url":"ftp://{{ params.u }}")", ".url: must begin with http:// or https://"},
      {R"("url":"h{{ params.u }}")", ".url: must begin with http:// or https://"},
      {R"("url":"http:///p")", ".url: has no host"},
      {R"("url":"http://a b")", ".url: must not hold white space; write %20"},
      {R"("url":"http://h:70000")", ".url: has a port that is no number up to 65535"},
      {R"("url":"http://h:x")", ".url: has a port that is no number up to 65535"},
      {R"("url":"http://h","method":"G T")",
       ".method: must be the name of a method, such as GET or POST"},
      {R"("url":"http://h","method":"connect")", ".method: CONNECT is for proxies, not for steps"},
      {R"("url":"http://h","headers":[{"name":"X Y"}])",
       ".headers[0].name: is not the name of a header"},
      {R"("url":"http://h","headers":[{"name":"A"},{"name":"Content-Length","value":"1"}])",
       ".headers[1].name: is set by the operator itself"},
      {R"("url":"http://h","headers":[{"name":"A","value":"x\r\nB: y"}])",
       ".headers[0].value: a header must not hold a line end"},
      {R"("url":"http://h","headers":[{"name":"A","value":"x",
          "valueFrom":{"secretKeyRef":{"name":"n","key":"k"}}}])",
       ".headers[0]: give value or valueFrom, not both"},
      {R"("url":"http://h","headers":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"n","key":""}}}])",
       ".headers[0].valueFrom.secretKeyRef: needs a name and a key"},
      {R"("url":"http://h","maxResponseBytes":-1)",
       ".maxResponseBytes: must be between 0 and 1048576"},
      {R"("url":"http://h","caFrom":{"name":"","key":"k"})", ".caFrom: needs a name and a key"},
  };
  for (const auto& c : cases) {
    const std::string want = c.want;
    EXPECT_EQ(complaints(R"({"params":[{"name":"u"}],"steps":[{"name":"a","http":{)" +
                         std::string(c.http) + "}}]}"),
              want.empty() ? "" : "spec.steps[0].http" + want)
        << c.http;
  }
}

TEST(GraphCheck, Containers) {
  hold({
      {R"({"podTemplate":{"volumes":[{"name":"data"}]},"steps":[{"name":"a","container":{"image":"i",
           "volumeMounts":[{"name":"data","mountPath":"/d"},{"name":"workspace","mountPath":"/w"}]}}]})",
       ""},
      {R"({"podTemplate":{"volumes":[{"name":"data"},{"name":"data"},{}]},
           "steps":[{"name":"a","container":{"name":"x","livenessProbe":{},
           "volumeMounts":[{"name":"dat","mountPath":"/d"}]}}]})",
       "spec.podTemplate.volumes[1].name: data is there twice\n"
       "spec.podTemplate.volumes[2].name: required\n"
       "spec.steps[0].container.name: leave it out: the container is named after the step\n"
       "spec.steps[0].container.image: required\n"
       "spec.steps[0].container.livenessProbe: not possible for a step, which runs to its end\n"
       "spec.steps[0].container.volumeMounts[0].name: there is no volume dat in "
       "spec.podTemplate.volumes"},
      {R"({"steps":[{"name":"a","containers":[{"image":"i"},{"name":"x","image":"i"},
                    {"name":"x","image":"i","lifecycle":{}}]}]})",
       "spec.steps[0].containers[0].name: required\n"
       "spec.steps[0].containers[2].lifecycle: not possible for a step, which runs to its end\n"
       "spec.steps[0].containers[2].name: another container is named x already"},
  });
}

TEST(GraphCheck, CB_1_JobsStagesAndTriggers) {
  hold_around({
      {R"({"stages":["a"],"triggers":[{"type":"webhook"}],
           "jobs":[{"name":"j","stage":"b","action":{"http":{"url":"http://h"}}}]})",
       "spec.jobs[0].stage: unknown stage: b"},
      {R"({"stages":["a"],"triggers":[],
           "jobs":[{"name":"j","stage":"a","action":{"http":{"url":"http://h"}}}]})",
       "spec.triggers: no triggers configured"},
      {R"({"stages":["a"],"triggers":[{"type":"cron"},{"type":"webhook"}],
           "jobs":[{"name":"j","stage":"a","action":{"http":{"url":"http://h"}}}]})",
       "spec.triggers: at most one\n"
       "spec.triggers[0].type: unknown trigger: cron"},
      {R"({"stages":["a"],"triggers":[{"type":"webhook"}]})", "spec.jobs: no jobs configured"},
      {R"({"triggers":[{"type":"webhook"}],
           "jobs":[{"name":"j","stage":"a","action":{"http":{"url":"http://h"}}}]})",
       "spec.stages: no stages configured: list those of the jobs, in their order\n"
       "spec.jobs[0].stage: unknown stage: a"},
      {R"({"stages":["a","a"],"triggers":[{"type":"webhook"}],"jobs":[
           {"name":"j","stage":"a","action":{"http":{"url":"http://h"}}},
           {"name":"j","stage":"a","timeout":"x","action":{"http":{"url":"http://{{ .Name }}"}}},
           {"name":"k","stage":"a","timeout":5,"action":{"http":{"url":"","method":"a b",
            "data":{"x":"{{ .Nope }}"}}}}]})",
       "spec.stages[1]: stage a is there twice\n"
       "spec.jobs[1].name: stage a has a job j already (spec.jobs[0])\n"
       "spec.jobs[1].timeout: \"x\" is not a duration such as 1h15m30s: a number is missing\n"
       "spec.jobs[1].action.http.url: is not a template: only data is\n"
       "spec.jobs[2].timeout: must be a Go duration such as 30s, or 0 for none\n"
       "spec.jobs[2].action.http.method: must be the name of a method, such as GET or POST\n"
       "spec.jobs[2].action.http.url: required\n"
       "spec.jobs[2].action.http.data.x: at byte 3: there is no field Nope at the top; there are "
       ".Name, .Stages, .Response and .Time"},
  });
}

TEST(GraphCheck, WhatStandsAroundOtherBodies) {
  const std::string batch = R"("batchJob":{"processors":[{"name":"p","image":"i"}]})";
  EXPECT_EQ(complaints("{" + batch + R"(,"triggers":[{"type":"webhook"}]})"), "");
  const std::string around =
      complaints("{" + batch +
                 R"(,"params":[{"name":"p"}],"onError":[{"name":"a"}],"finally":[{"name":"b"}],
         "finallyTimeout":"1s","concurrency":{},"parallelism":1,"podTemplate":{},"port":1,
         "error":{"action":{"http":{"url":"http://h"}}}})");
  const std::string why = ": not possible next to batchJob; write the pipeline as steps for it";
  EXPECT_EQ(around,
            "spec.error: only possible with stages and jobs\n"
            "spec.port: only possible with stages and jobs\n"
            "spec.params" +
                why + "\nspec.onError" + why + "\nspec.finally" + why + "\nspec.finallyTimeout" +
                why + "\nspec.concurrency" + why + "\nspec.parallelism" + why +
                "\nspec.podTemplate" + why);
  hold_around({
      {R"({"streamJob":{"microServices":[{"name":"s","spec":{"containers":[
           {"name":"c","image":"i"}]}}]},"triggers":[{"type":"webhook"}]})",
       "spec.triggers: not possible next to streamJob"},
      {R"({"steps":[{"name":"a","wait":{"duration":"1s"}}],"port":3000})",
       "spec.port: only possible with stages and jobs"},
      {R"({"stages":["s"],"steps":[{"name":"a","wait":{"duration":"1s"}}],
           "jobs":[{"name":"j","stage":"s","action":{"http":{"url":"http://h"}}}]})",
       "spec.jobs: not possible next to steps"},
  });
}

TEST(GraphCheck, ParamsOfTriggersAreExpressionsOverTheTrigger) {
  hold_around({
      {R"({"params":[{"name":"p"}],"steps":[{"name":"a","wait":{"duration":"1s"}}],
           "triggers":[{"type":"webhook","params":{"p":"trigger.body.k | default('x') | trim"},
           "hmacFrom":{"name":"s","key":"k"}}]})",
       ""},
      {R"({"params":[{"name":"p"}],"steps":[{"name":"a","wait":{"duration":"1s"}}],
           "triggers":[{"type":"webhook","params":{"p":"{{ run.name }}","q":"trigger.boddy"},
           "hmacFrom":{"name":"s","key":""}}]})",
       "spec.triggers[0].hmacFrom: needs a name and a key\n"
       "spec.triggers[0].params.p: run.name: only trigger is known here\n"
       "spec.triggers[0].params.q: the pipeline has no param q\n"
       "spec.triggers[0].params.q: trigger.boddy: a trigger has body, headers, query, id, "
       "callbackUrl and type"},
  });
}

}  // namespace
}  // namespace millrace::logic

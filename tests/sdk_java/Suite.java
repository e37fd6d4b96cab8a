import io.dapr.client.DaprClient;
import io.dapr.client.DaprClientBuilder;
import io.dapr.client.domain.HttpExtension;
import io.dapr.client.domain.State;
import io.dapr.client.domain.StateOptions;
import io.dapr.client.domain.TransactionalStateOperation;
import io.dapr.exceptions.DaprException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The official Java SDK, unmodified; run beside a sidecar. The last line is "N passed, N failed". */
public class Suite {
  interface Test {
    void run() throws Exception;
  }

  static void check(boolean truth, Object seen) {
    if (!truth) throw new AssertionError(String.valueOf(seen));
  }

  static Map<String, Test> tests(DaprClient dapr) {
    Map<String, Test> tests = new LinkedHashMap<>();
    tests.put("it waits for the sidecar and reads its metadata", () -> {
      dapr.waitForSidecar(10000).block();
      check(dapr.getMetadata().block().getId().equals("java"), dapr.getMetadata().block().getId());
    });
    tests.put("state is saved, read and deleted", () -> {
      dapr.saveState("store", "basket", Map.of("apples", 3)).block();
      State<Map> found = dapr.getState("store", "basket", Map.class).block();
      check(found.getValue().equals(Map.of("apples", 3)), found.getValue());
      check(!found.getEtag().isEmpty(), found.getEtag());
      dapr.deleteState("store", "basket").block();
      check(dapr.getState("store", "basket", Map.class).block().getValue() == null, "still there");
    });
    tests.put("a stale etag is aborted", () -> {
      dapr.saveState("store", "contested", "1").block();
      String etag = dapr.getState("store", "contested", String.class).block().getEtag();
      StateOptions firstWrite = new StateOptions(null, StateOptions.Concurrency.FIRST_WRITE);
      dapr.saveState("store", "contested", etag, "2", firstWrite).block();
      try {
        dapr.saveState("store", "contested", etag, "3", firstWrite).block();
        check(false, "the stale write was accepted");
      } catch (DaprException refused) {
        check(refused.getErrorCode().equals("ABORTED"), refused.getErrorCode());
      }
    });
    tests.put("a transaction and a bulk read agree", () -> {
      dapr.saveState("store", "old", "1").block();
      dapr.executeStateTransaction("store", List.of(
          new TransactionalStateOperation<>(TransactionalStateOperation.OperationType.UPSERT,
                                            new State<>("new", "2", "")),
          new TransactionalStateOperation<>(TransactionalStateOperation.OperationType.DELETE,
                                            new State<>("old")))).block();
      List<State<String>> found = dapr.getBulkState("store", List.of("new", "old"), String.class).block();
      for (State<String> item : found) {
        check(item.getKey().equals("new") ? "2".equals(item.getValue()) : item.getValue() == null, item);
      }
    });
    tests.put("an unknown store is an error with its code", () -> {
      try {
        dapr.getState("nowhere", "key", String.class).block();
        check(false, "it was answered");
      } catch (DaprException refused) {
        check(refused.getMessage().contains("nowhere"), refused.getMessage());
      }
    });
    tests.put("secrets are read", () ->
        check(dapr.getSecret("secrets", "door").block().equals(Map.of("door", "sesame")), "door"));
    tests.put("an event is published", () ->
        dapr.publishEvent("events", "orders", Map.of("order", 7)).block());
    tests.put("an app is invoked by its id", () -> {
      Map answer = dapr.invokeMethod("java", "echo", Map.of("word", "hello"), HttpExtension.POST,
                                     Map.class).block();
      check(answer.equals(Map.of("word", "hello")), answer);
    });
    return tests;
  }

  public static void main(String[] arguments) throws Exception {
    int passed = 0;
    int failed = 0;
    try (DaprClient dapr = new DaprClientBuilder().build()) {
      for (Map.Entry<String, Test> test : tests(dapr).entrySet()) {
        try {
          test.getValue().run();
          ++passed;
          System.out.println("ok   java: " + test.getKey());
        } catch (Throwable failure) {
          ++failed;
          System.out.println("FAIL java: " + test.getKey());
          failure.printStackTrace(System.out);
        }
      }
    }
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }
}

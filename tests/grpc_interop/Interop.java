import io.grpc.testing.integration.TestServiceClient;
import io.grpc.testing.integration.TestServiceServer;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The grpc project's own interop programs, many runs in one virtual machine, for its start is slow.
 *
 * <p>{@code serve FLAGS...}: one server for each argument, whose flags are separated by blanks.
 * {@code judge FILE}: a client run for each line of FILE, which is a title, a tab, and the flags.
 */
public class Interop {
  private static final long SECONDS_MAX = 40;

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "serve" -> serve(Arrays.copyOfRange(args, 1, args.length));
      case "judge" -> judge(Path.of(args[1]));
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0);
  }

  private static void serve(String[] servers) throws Exception {
    var running = new CompletableFuture<?>[servers.length];
    for (int i = 0; i < servers.length; i++) {
      String[] flags = servers[i].split(" ");
      running[i] = start(() -> TestServiceServer.main(flags));
    }
    CompletableFuture.anyOf(running).get();
  }

  private static void judge(Path file) throws Exception {
    PrintStream verdicts = System.out;
    System.setOut(new PrintStream(OutputStream.nullOutputStream()));
    for (String line : Files.readAllLines(file)) {
      String[] fields = line.split("\t");
      String[] flags = Arrays.copyOfRange(fields, 1, fields.length);
      long started = System.nanoTime();
      Throwable failure = run(flags);
      String seconds = String.format("(%.2f s)", (System.nanoTime() - started) / 1e9);
      verdicts.println((failure == null ? "ok   " : "FAIL ") + fields[0] + " " + seconds);
      if (failure != null) failure.printStackTrace(verdicts);
    }
  }

  /** What went wrong, or null. */
  private static Throwable run(String[] flags) throws InterruptedException {
    try {
      start(() -> TestServiceClient.main(flags)).get(SECONDS_MAX, TimeUnit.SECONDS);
      return null;
    } catch (ExecutionException thrown) {
      return thrown.getCause();
    } catch (TimeoutException late) {
      return late;
    }
  }

  private interface Body {
    void run() throws Exception;
  }

  private static CompletableFuture<Void> start(Body body) {
    var end = new CompletableFuture<Void>();
    var thread = new Thread(() -> {
      try {
        body.run();
        end.complete(null);
      } catch (Throwable thrown) {
        end.completeExceptionally(thrown);
      }
    });
    thread.setDaemon(true);
    thread.start();
    return end;
  }
}
